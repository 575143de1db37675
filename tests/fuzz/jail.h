/* SPDX-License-Identifier: MIT */
/*
 * Where random programs run: as a user of no account, without capabilities, with no_new_privs,
 * in user, mount, network, process, IPC and UTS namespaces of their own, on an
 * empty tmpfs of a few MB, under limits. jail_enter() checks that it is so, and
 * ends the process if it is not.
 */
#ifndef ORING_TESTS_FUZZ_JAIL_H
#define ORING_TESTS_FUZZ_JAIL_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * No account has this id, and no other test: requests that a kernel never ends keep
 * their rings charged to the user who made them.
 */
#define NOBODY 61443

static void refuse(const char *what)
{
	fprintf(stderr, "no jail: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

/* Not root, and no capability, permitted or to be had. */
static void must_be_nobody(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	uid_t real, effective, saved;

	if (getresuid(&real, &effective, &saved) < 0 || !real || !effective || !saved)
		refuse("user ids");
	if (syscall(SYS_capget, &header, data) < 0 || data[0].effective || data[1].effective ||
	    data[0].permitted || data[1].permitted)
		refuse("capabilities");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		refuse("no_new_privs");
}

static void become_nobody(void)
{
	if (geteuid() == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		    setresuid(NOBODY, NOBODY, NOBODY) < 0)
			refuse("other ids");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		refuse("no_new_privs");
	/* /proc/self belongs to root until then. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		refuse("dumpable");
	must_be_nobody();
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		refuse(path);
	close(fd);
}

/* Each id stands for itself, so that nobody is root in here either. */
static void map_ids(unsigned int uid, unsigned int gid)
{
	char text[64];

	snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	write_file("/proc/self/uid_map", text);
	write_file("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	write_file("/proc/self/gid_map", text);
}

/* An empty root. The guest's first root cannot be put aside: there it is chroot(2) alone. */
static void empty_root(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		refuse("mounts of its own");
	if (mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "size=16m,nr_inodes=500,mode=755") < 0)
		refuse("tmpfs");
	if (chdir("/tmp") < 0)
		refuse("chdir");
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		if (umount2(".", MNT_DETACH) < 0)
			refuse("umount");
	} else if (chroot(".") < 0) {
		refuse("chroot");
	}
	if (chdir("/") < 0 || access("/proc", F_OK) == 0 || access("/etc", F_OK) == 0)
		refuse("an empty root");
}

static void start_loopback(void)
{
	struct ifreq request;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memset(&request, 0, sizeof(request));
	strcpy(request.ifr_name, "lo");
	request.ifr_flags = IFF_UP;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		refuse("loopback");
	close(fd);
}

static void limit(int resource, rlim_t most)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		refuse("limits");
	now.rlim_cur = now.rlim_max = now.rlim_max < most ? now.rlim_max : most;
	if (setrlimit(resource, &now) < 0)
		refuse("limits");
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	int i;

	for (i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			refuse("bounding set");
	memset(data, 0, sizeof(data));
	if (syscall(SYS_capset, &header, data) < 0)
		refuse("capset");
}

/*
 * Go on as the first process of a jail; the caller's process waits for it, at
 * most @seconds, and ends as it does. All of the jail ends with it.
 */
static void jail_enter(unsigned int seconds)
{
	unsigned int uid, gid;
	int status;
	pid_t pid;

	become_nobody();
	uid = getuid();
	gid = getgid();
	if (syscall(SYS_close_range, 3, ~0U, 0) < 0)
		refuse("close_range");
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC |
		    CLONE_NEWUTS) < 0) {
		printf("ok 1 - random programs # SKIP no namespaces here: %s\n", strerror(errno));
		exit(EXIT_SUCCESS);
	}
	map_ids(uid, gid);
	pid = fork();
	if (pid < 0)
		refuse("fork");
	if (pid > 0) {
		sigset_t ended;
		struct timespec most = { seconds, 0 };

		sigemptyset(&ended);
		sigaddset(&ended, SIGCHLD);
		sigprocmask(SIG_BLOCK, &ended, NULL);
		if (waitpid(pid, &status, WNOHANG) == 0 && sigtimedwait(&ended, NULL, &most) < 0) {
			kill(pid, SIGKILL);
			printf("not ok 1 - random programs\n# they did not end\n");
			exit(EXIT_FAILURE);
		}
		waitpid(pid, &status, WNOHANG);
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
	}
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		refuse("pdeathsig");
	start_loopback();
	empty_root();
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 1 << 20);
	limit(RLIMIT_NOFILE, 256);
	limit(RLIMIT_NPROC, 512);
	limit(RLIMIT_MEMLOCK, 8 << 20);
	limit(RLIMIT_AS, 512 << 20);
	limit(RLIMIT_MSGQUEUE, 0);
	drop_capabilities();
	must_be_nobody();
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (getpid() != 1)
		refuse("a process namespace");
}

#endif
