/* SPDX-License-Identifier: MIT */
/*
 * child - wait for child processes, while other fibers go on
 *
 *	fiber-child
 *
 * One child stops, is continued, and exits with 7 when it is told to; another does not end within the limit, and is
 * killed. Since Linux 6.7.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fiber_io.h"
#include "program.h"

#define SECOND	   1000000000LL
#define LONG	   (30 * SECOND)
#define SHORT	   (SECOND / 20)
#define LIFE	   60 /* seconds, of a child that nobody ends */
#define TURN	   (SECOND / 1000)
#define MOST_TURNS 60000

static bool done, too_old;
static unsigned int turns;

static void stop_and_exit(void)
{
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGSTOP);
	/* Not before it was seen to go on: then that cannot be asked any more. */
	sigwait(&set, &number);
	_exit(7);
}

static pid_t start(bool stops)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	alarm(LIFE);
	if (stops)
		stop_and_exit();
	for (;;)
		pause();
}

static void tell(const char *what, pid_t pid, int ret, int status)
{
	if (ret < 0)
		printf("%s: %s\n", what, program_words(ret));
	else if (ret != pid)
		printf("%s: another process\n", what);
	else if (WIFSTOPPED(status))
		printf("%s: stopped by %d\n", what, WSTOPSIG(status));
	else if (WIFCONTINUED(status))
		printf("%s: continued\n", what);
	else if (WIFEXITED(status))
		printf("%s: exited with %d\n", what, WEXITSTATUS(status));
	else
		printf("%s: killed by %d\n", what, WTERMSIG(status));
}

static int wait_and_tell(const char *what, pid_t pid, int options, int64_t limit)
{
	int status = 0, ret = fiber_wait_child(pid, options, &status, limit);

	tell(what, pid, ret, status);
	return ret;
}

static intptr_t wait_for_children(void *unused)
{
	pid_t pid = start(true);

	(void)unused;
	if (wait_and_tell("first", pid, WSTOPPED, LONG) == -EINVAL)
		too_old = true;
	kill(pid, SIGCONT);
	wait_and_tell("first", pid, WCONTINUED, LONG);
	kill(pid, SIGUSR1);
	wait_and_tell("first", pid, WEXITED, LONG);
	pid = start(false);
	wait_and_tell("second", pid, WEXITED, SHORT);
	kill(pid, SIGTERM);
	wait_and_tell("second", pid, WEXITED, LONG);
	wait_and_tell("no child any more", pid, WEXITED, LONG);
	done = true;
	return 0;
}

static intptr_t go_on(void *unused)
{
	(void)unused;
	for (turns = 0; !done && turns < MOST_TURNS; turns++)
		fiber_sleep(TURN);
	return 0;
}

int main(int argc, char **argv)
{
	int status;

	(void)argv;
	if (argc > 1)
		return program_usage(stderr, "usage: fiber-child\n");
	status = program_begin("child", NULL);
	if (status != 0)
		return status;
	/* What is printed is not to be in a child's buffer, too. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	fiber_spawn(wait_for_children, NULL, NULL);
	fiber_spawn(go_on, NULL, NULL);
	status = program_run();
	printf("the other fiber went on: %s\n", turns >= 10 ? "yes" : "no");
	if (too_old)
		fprintf(stderr, "child: this kernel has no operation to wait for a child (6.7)\n");
	return too_old ? CANNOT : status;
}
