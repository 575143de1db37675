/* SPDX-License-Identifier: MIT */
/* counter - two fibers count to ten and let each other run: 0 0 1 1 ... 10 10 */
#include <stdio.h>

#include "program.h"

static intptr_t count(void *argument)
{
	int i;

	(void)argument;
	for (i = 0; i <= 10; i++) {
		printf("%d ", i);
		fiber_yield();
	}
	return 0;
}

int main(void)
{
	int status = program_begin("counter", NULL);

	if (status != 0)
		return status;
	fiber_spawn(count, NULL, NULL);
	fiber_spawn(count, NULL, NULL);
	status = program_run();
	printf("\n");
	return status;
}
