/* SPDX-License-Identifier: MIT */
/* One line of prep.h for each; what is more than a line is at the end. */
#define _GNU_SOURCE
#include "fiber_io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#define CHAIN_MOST 64 /* entries of a chain of writes */

/* An operation that is prepared by one call, with a limit. */
#define OPERATE(limit, prepare)                                 \
	do {                                                    \
		struct oring_sqe *sqe = fiber_operation(limit); \
                                                                \
		if (sqe != NULL)                                \
			prepare;                                \
		return fiber_wait();                            \
	} while (0)

int fiber_read(oring_file file, void *buf, size_t length, uint64_t offset, int64_t limit)
{
	OPERATE(limit, oring_prep_read(sqe, file, buf, length, offset));
}

int fiber_write(oring_file file, const void *buf, size_t length, uint64_t offset, int64_t limit)
{
	OPERATE(limit, oring_prep_write(sqe, file, buf, length, offset));
}

int fiber_readv(oring_file file, const struct iovec *iov, uint32_t n, uint64_t offset,
		int64_t limit)
{
	OPERATE(limit, oring_prep_readv(sqe, file, iov, n, offset));
}

int fiber_writev(oring_file file, const struct iovec *iov, uint32_t n, uint64_t offset,
		 int64_t limit)
{
	OPERATE(limit, oring_prep_writev(sqe, file, iov, n, offset));
}

int fiber_recv(oring_file sock, void *buf, size_t length, int flags, int64_t limit)
{
	OPERATE(limit, oring_prep_recv(sqe, sock, buf, length, flags));
}

int fiber_send(oring_file sock, const void *buf, size_t length, int flags, int64_t limit)
{
	OPERATE(limit, oring_prep_send(sqe, sock, buf, length, flags | MSG_NOSIGNAL));
}

int fiber_recvmsg(oring_file sock, struct msghdr *message, int flags, int64_t limit)
{
	OPERATE(limit, oring_prep_recvmsg(sqe, sock, message, (unsigned int)flags));
}

int fiber_sendmsg(oring_file sock, const struct msghdr *message, int flags, int64_t limit)
{
	OPERATE(limit,
		oring_prep_sendmsg(sqe, sock, message, (unsigned int)(flags | MSG_NOSIGNAL)));
}

int fiber_accept(oring_file sock, struct sockaddr *address, socklen_t *length, int64_t limit)
{
	OPERATE(limit, oring_prep_accept(sqe, sock, address, length, SOCK_CLOEXEC));
}

int fiber_connect(oring_file sock, const struct sockaddr *address, socklen_t length, int64_t limit)
{
	OPERATE(limit, oring_prep_connect(sqe, sock, address, length));
}

int fiber_cancel_file(oring_file file)
{
	OPERATE(FIBER_FOREVER, oring_prep_async_cancel_file(sqe, file, ORING_ASYNC_CANCEL_ALL));
}

int fiber_openat(int folder, const char *path, int flags, mode_t mode, int64_t limit)
{
	OPERATE(limit, oring_prep_openat(sqe, folder, path, flags, mode));
}

int fiber_statx(int folder, const char *path, int flags, unsigned int mask, struct statx *buf,
		int64_t limit)
{
	OPERATE(limit, oring_prep_statx(sqe, folder, path, buf, flags, mask));
}

int fiber_renameat(int folder, const char *path, int new_folder, const char *new_path,
		   unsigned int flags, int64_t limit)
{
	OPERATE(limit, oring_prep_renameat(sqe, folder, path, new_folder, new_path, flags));
}

int fiber_unlinkat(int folder, const char *path, int flags, int64_t limit)
{
	OPERATE(limit, oring_prep_unlinkat(sqe, folder, path, flags));
}

int fiber_mkdirat(int folder, const char *path, mode_t mode, int64_t limit)
{
	OPERATE(limit, oring_prep_mkdirat(sqe, folder, path, mode));
}

int fiber_linkat(int folder, const char *path, int new_folder, const char *new_path, int flags,
		 int64_t limit)
{
	OPERATE(limit, oring_prep_linkat(sqe, folder, path, new_folder, new_path, flags));
}

int fiber_symlinkat(const char *target, int folder, const char *path, int64_t limit)
{
	OPERATE(limit, oring_prep_symlinkat(sqe, target, folder, path));
}

int fiber_fsync(oring_file file, bool data_only, int64_t limit)
{
	OPERATE(limit, oring_prep_fsync(sqe, file, data_only ? ORING_FSYNC_DATASYNC : 0));
}

int fiber_poll(oring_file file, unsigned int events, int64_t limit)
{
	OPERATE(limit, oring_prep_poll_add(sqe, file, events));
}

/* ---- more than a line ---- */

int fiber_close(oring_file file)
{
	bool before = fiber_shield(true);
	struct oring_sqe *sqe = fiber_operation(FIBER_FOREVER);
	int ret;

	if (sqe != NULL)
		oring_prep_close(sqe, file);
	ret = fiber_wait();
	fiber_shield(before);
	return ret;
}

/* What is left of a limit that began at @begin. */
static int64_t left_of(int64_t limit, int64_t begin)
{
	return limit == FIBER_FOREVER ? limit : limit - (fiber_now() - begin);
}

static int splice_now(oring_file in, int64_t in_offset, oring_file out, int64_t out_offset,
		      size_t length, unsigned int flags)
{
	OPERATE(FIBER_FOREVER,
		oring_prep_splice(sqe, in, in_offset, out, out_offset, length, flags));
}

/*
 * A worker thread does it, and sleeps in it where recent kernels have not even started the limit:
 * so what has one waits for both ends before, and the splice itself does not wait for pipes.
 */
int fiber_splice(oring_file in, int64_t in_offset, oring_file out, int64_t out_offset,
		 size_t length, unsigned int flags, int64_t limit)
{
	int64_t begin = fiber_now();
	int ret;

	if (limit == FIBER_FOREVER)
		return splice_now(in, in_offset, out, out_offset, length, flags);
	do {
		ret = fiber_poll(in, POLLIN, left_of(limit, begin));
		if (ret >= 0)
			ret = fiber_poll(out, POLLOUT, left_of(limit, begin));
		if (ret < 0)
			return ret;
		ret = splice_now(in, in_offset, out, out_offset, length, flags | SPLICE_F_NONBLOCK);
		/* Somebody else was faster. */
	} while (ret == -EAGAIN && (flags & SPLICE_F_NONBLOCK) == 0 && left_of(limit, begin) > 0);
	return ret == -EAGAIN && (flags & SPLICE_F_NONBLOCK) == 0 ? -ETIME : ret;
}

static int64_t all(oring_file file, const char *bytes, size_t length, uint64_t offset, bool sends,
		   int64_t limit)
{
	int64_t begin = limit != FIBER_FOREVER ? fiber_now() : 0;
	size_t done = 0;

	while (done < length) {
		int64_t left = left_of(limit, begin);
		uint64_t place = offset == FIBER_HERE ? offset : offset + done;
		/* An operation's result is 31 bits long. */
		size_t step = length - done < 1U << 30 ? length - done : 1U << 30;
		int ret = sends ? fiber_send(file, bytes + done, step, 0, left)
				: fiber_write(file, bytes + done, step, place, left);

		if (ret <= 0) {
			if (done == 0)
				return ret < 0 ? ret : -EPIPE;
			fiber_tell_again(); /* a cancel is not lost in what was done before */
			break;
		}
		done += (size_t)ret;
	}
	return (int64_t)done;
}

int64_t fiber_write_all(oring_file file, const void *buf, size_t length, uint64_t offset,
			int64_t limit)
{
	return all(file, buf, length, offset, false, limit);
}

int64_t fiber_send_all(oring_file sock, const void *buf, size_t length, int64_t limit)
{
	return all(sock, buf, length, FIBER_HERE, true, limit);
}

int64_t fiber_write_linked(oring_file file, const struct iovec *iov, uint32_t n, uint64_t offset)
{
	int32_t results[CHAIN_MOST];
	uint32_t at = 0; /* the first that is not written whole */
	size_t skip = 0; /* bytes of it that are */
	int64_t done = 0;

	if (fiber_self().bits == 0)
		return -EINVAL;
	while (at < n) {
		uint32_t most = oring_sq_entries(&fiber_runtime_current()->ring), i;
		size_t ahead = 0;
		int taken, ret;

		most = most < CHAIN_MOST ? most : CHAIN_MOST;
		ret = fiber_chain(n - at < most ? n - at : most, results);
		if (ret < 0 && done == 0)
			return ret;
		if (ret < 0) {
			fiber_tell_again();
			break;
		}
		for (i = at; i < n && i - at < most; i++) {
			size_t gone = i == at ? skip : 0;

			oring_prep_write(
				fiber_chain_next(), file, (const char *)iov[i].iov_base + gone,
				iov[i].iov_len - gone,
				offset == FIBER_HERE ? offset : offset + (uint64_t)done + ahead);
			ahead += iov[i].iov_len - gone;
		}
		taken = fiber_chain_wait();
		for (i = 0; i < (uint32_t)taken; i++) {
			size_t whole = iov[at].iov_len - skip;

			if (results[i] < 0 || (results[i] == 0 && whole > 0))
				break;
			done += results[i];
			if ((size_t)results[i] < whole) {
				skip += (size_t)results[i];
				i++; /* it went on: what comes after was cancelled */
				break;
			}
			at++;
			skip = 0;
		}
		/* The first one went nowhere; or what was cut off is so by a cancel. */
		if (done == 0 && (i == 0 || fiber_told()))
			return fiber_told() ? -ECANCELED : results[0] < 0 ? results[0] : -EPIPE;
		if (i == 0 || fiber_told()) {
			fiber_tell_again();
			break;
		}
	}
	return done;
}

int fiber_accept_file(oring_file sock, oring_file *file, int64_t limit)
{
	/* Not accepted straight into a slot: a connection that finds none free would be lost. */
	int ret = fiber_accept(sock, NULL, NULL, limit);

	if (ret == -EMFILE)
		return -ENFILE;
	if (ret < 0)
		return ret;
	if (fiber_to_slot(ret, file) < 0)
		*file = oring_file_fd(ret);
	return 0;
}

int fiber_to_slot(int fd, oring_file *file)
{
	int32_t place = fd;
	bool before = fiber_shield(true);
	struct oring_sqe *sqe = fiber_operation(FIBER_FOREVER);
	int ret;

	if (sqe != NULL)
		oring_prep_files_update_alloc(sqe, &place, 1);
	ret = fiber_wait();
	fiber_shield(before);
	if (ret != 1)
		return ret < 0 ? ret : -ENFILE;
	*file = oring_file_slot((uint32_t)place);
	fiber_close(oring_file_fd(fd));
	return 0;
}

static int sleep_by(const struct oring_timespec *time, uint32_t flags)
{
	struct oring_sqe *sqe = fiber_operation(FIBER_FOREVER);
	int ret;

	if (sqe != NULL)
		oring_prep_timeout(sqe, time, 0, flags);
	ret = fiber_wait();
	return ret == -ETIME ? 0 : ret;
}

int fiber_sleep(int64_t nanoseconds)
{
	struct oring_timespec time = { nanoseconds > 0 ? nanoseconds / 1000000000 : 0,
				       nanoseconds > 0 ? nanoseconds % 1000000000 : 0 };

	return sleep_by(&time, 0);
}

int fiber_sleep_until(int64_t time)
{
	struct oring_timespec until = { time > 0 ? time / 1000000000 : 0,
					time > 0 ? time % 1000000000 : 0 };

	return sleep_by(&until, ORING_TIMEOUT_ABS);
}

/* The status of waitpid(2) out of what waitid(2) tells. */
static int status_of(const siginfo_t *info)
{
	switch (info->si_code) {
	case CLD_EXITED:
		return (info->si_status & 0xff) << 8;
	case CLD_DUMPED:
		return info->si_status | 0x80;
	case CLD_STOPPED:
	case CLD_TRAPPED:
		return info->si_status << 8 | 0x7f;
	case CLD_CONTINUED:
		return 0xffff;
	default:
		return info->si_status; /* killed */
	}
}

int fiber_wait_child(pid_t pid, int options, int *status, int64_t limit)
{
	struct oring_sqe *sqe;
	siginfo_t info;
	int ret;

	memset(&info, 0, sizeof(info));
	sqe = fiber_operation(limit);
	if (sqe != NULL)
		oring_prep_waitid(sqe, P_PID, pid, &info, options);
	ret = fiber_wait();
	if (ret < 0)
		return ret;
	if (status != NULL)
		*status = status_of(&info);
	return info.si_pid;
}
