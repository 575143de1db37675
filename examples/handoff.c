/* SPDX-License-Identifier: MIT */
/*
 * handoff FILE - hand a ring to code that is trusted with one file and nothing else
 *
 * The parent makes a ring that cannot be entered yet, puts FILE into a slot, and says
 * what the ring may ever be used for: reads, of registered files only. Then it starts
 * the ring and forks. The child drops every other descriptor and tries what it should
 * not be able to do, by the ring: open a file, read a descriptor, register another
 * file, write to the one it has. It prints what each attempt got, and copies FILE's
 * first line to standard output.
 */
#define _GNU_SOURCE
#include "explain.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <oring.h>

#define ENTRIES 4
#define SLOT	0

static int fail(const char *what, int error)
{
	fprintf(stderr, "handoff: %s: %s\n", what, strerror(error < 0 ? -error : error));
	return 1;
}

/* What the ring may ever be used for. From here on there is no way back. */
static int restrict_ring(struct oring *ring)
{
	struct oring_restriction list[3];

	memset(list, 0, sizeof(list));
	list[0].opcode = ORING_RESTRICTION_SQE_OP;
	list[0].sqe_op = ORING_OP_READ;
	/* Every entry names a slot, so no descriptor of the process can be reached. */
	list[1].opcode = ORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	list[1].sqe_op = ORING_SQE_FIXED_FILE;
	/*
	 * The one register call that is left, and a ring that runs refuses it. Without it the
	 * list would say nothing of register calls, and since 7.0 that leaves all of them open:
	 * another file could take the slot.
	 */
	list[2].opcode = ORING_RESTRICTION_REGISTER_OP;
	list[2].sqe_op = ORING_REGISTER_ENABLE_RINGS;
	return oring_register_restrictions(ring, list, 3);
}

static int make_ring(struct oring *ring, int file)
{
	struct oring_params params;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_R_DISABLED;
	ret = oring_init(ring, ENTRIES, &params);
	if (ret < 0) {
		explain_setup("handoff", ret);
		return ret;
	}
	ret = oring_register_files(ring, &file, 1);
	if (ret == 0)
		ret = restrict_ring(ring);
	if (ret == 0)
		ret = oring_enable(ring);
	/* Its memory goes to the child too: it is the child's from the fork on. */
	if (ret == 0)
		ret = oring_set_inherited(ring, true);
	if (ret < 0) {
		fail("a restricted ring", ret);
		oring_exit(ring);
	}
	return ret;
}

/* ---- the child ---- */

/* The result of the entry that was prepared last. */
static int result_of(struct oring *ring)
{
	struct oring_cqe cqe;
	int ret = oring_submit_and_wait(ring, 1);

	if (ret < 0)
		return ret;
	return oring_cq_take(ring, &cqe) ? cqe.res : -EAGAIN;
}

static void tell(const char *what, int result)
{
	printf("%s: %s\n", what, result < 0 ? strerror(-result) : "done");
}

static void close_all_but(int ring)
{
	struct rlimit limit;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 65536)
		limit.rlim_cur = 65536;
	for (fd = 3; fd < (int)limit.rlim_cur; fd++) {
		if (fd != ring)
			close(fd);
	}
}

static int untrusted(struct oring *ring)
{
	char text[256];
	char *end;
	int32_t own = STDOUT_FILENO;
	int ret;

	close_all_but(oring_fd(ring));
	oring_prep_openat(oring_sq_reserve(ring), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	tell("open another file", result_of(ring));
	oring_prep_read(oring_sq_reserve(ring), oring_file_fd(STDIN_FILENO), text, 1, 0);
	tell("read a descriptor", result_of(ring));
	oring_prep_write(oring_sq_reserve(ring), oring_file_slot(SLOT), "x", 1, 0);
	tell("write to the file", result_of(ring));
	tell("register a file", oring_register_files_update(ring, SLOT, &own, 1));
	oring_prep_read(oring_sq_reserve(ring), oring_file_slot(SLOT), text, sizeof(text) - 1, 0);
	ret = result_of(ring);
	tell("read the file", ret);
	if (ret < 0)
		return 1;
	text[ret] = '\0';
	end = strchr(text, '\n');
	printf("it begins: %.*s\n", (int)(end != NULL ? end - text : ret), text);
	return 0;
}

int main(int argc, char **argv)
{
	struct oring ring;
	int file, status = 0;
	pid_t child;

	if (argc != 2) {
		fputs("usage: handoff FILE\n", stderr);
		return 2;
	}
	file = open(argv[1], O_RDWR | O_CLOEXEC);
	if (file < 0)
		return fail(argv[1], errno);
	if (make_ring(&ring, file) < 0)
		return 1;
	fflush(stdout);
	child = fork();
	if (child == 0) {
		status = untrusted(&ring);
		fflush(stdout);
		_exit(status);
	}
	/* Its memory is the child's now: only the descriptor is let go of. */
	if (child < 0 || waitpid(child, &status, 0) != child)
		status = fail("fork", errno);
	else
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	oring_exit(&ring);
	close(file);
	return status;
}
