/* SPDX-License-Identifier: MIT */
/* json_text.h - text as JSON has it. */
#ifndef ORING_TOOLS_JSON_TEXT_H
#define ORING_TOOLS_JSON_TEXT_H

#include <stdio.h>

/** json_text - print @text in quotes; a release is whatever the kernel's builder called it. */
static inline void json_text(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", (unsigned char)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

#endif
