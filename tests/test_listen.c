/* SPDX-License-Identifier: MIT */
/* Listeners: clients come and talk; failures name their stage and leave nothing open. */
#include "harness.h"

#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define SLOTS  8
#define SLOT   3
#define STREAM 0x5000 /* identities, multiples of 4 */
#define CANCEL 0x6000

/* A listener with what the tests of it need. */
struct desk {
	struct oring_listener listener;
	struct oring_listener_params params;
	struct oring_multishot stream;
	struct sockaddr_storage address;
	char path[64]; /* to be unlinked */
};

/* ---- addresses ---- */

enum place {
	PLACE_V4,
	PLACE_V6,
	PLACE_PATH,
	PLACE_ABSTRACT,
	PLACES
};

static void at_unix(struct desk *desk, const char *path, bool abstract)
{
	struct sockaddr_un *address = (struct sockaddr_un *)&desk->address;

	address->sun_family = AF_UNIX;
	strcpy(address->sun_path + abstract, path);
	desk->params.address_length =
		(uint32_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(path));
	if (!abstract)
		strcpy(desk->path, path);
}

static void at_v4(struct desk *desk, uint16_t port)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&desk->address;

	address->sin_family = AF_INET;
	address->sin_port = htons(port);
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	desk->params.address_length = sizeof(*address);
}

static void at_v6(struct desk *desk, const struct in6_addr *host, uint16_t port)
{
	struct sockaddr_in6 *address = (struct sockaddr_in6 *)&desk->address;

	address->sin6_family = AF_INET6;
	address->sin6_port = htons(port);
	address->sin6_addr = *host;
	desk->params.address_length = sizeof(*address);
}

/* A desk with an address that nobody else has. */
static void set_up(struct desk *desk, enum place place)
{
	static unsigned int serial;
	char name[64];

	memset(desk, 0, sizeof(*desk));
	snprintf(name, sizeof(name), "/tmp/oring-listen-%d-%u", (int)getpid(), serial++);
	if (place == PLACE_V4)
		at_v4(desk, 0);
	else if (place == PLACE_V6)
		at_v6(desk, &in6addr_loopback, 0);
	else
		at_unix(desk, name, place == PLACE_ABSTRACT);
	desk->params.family = desk->address.ss_family;
	desk->params.type = SOCK_STREAM;
	desk->params.backlog = 8;
	desk->params.address = (struct sockaddr *)&desk->address;
	desk->params.slot = oring_slot_at(SLOT);
	oring_multishot_init(&desk->stream, ORING_STREAM_ACCEPT, oring_context_from_bits(STREAM));
}

static void clean_up(struct desk *desk)
{
	if (desk->path[0] != 0)
		cr_assert_eq(unlink(desk->path), 0, "%s: %s", desk->path, strerror(errno));
}

static bool has_v6(void)
{
	struct sockaddr_in6 address;
	int sock = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has;

	memset(&address, 0, sizeof(address));
	address.sin6_family = AF_INET6;
	address.sin6_addr = in6addr_loopback;
	has = sock >= 0 && bind(sock, (struct sockaddr *)&address, sizeof(address)) == 0;
	if (sock >= 0)
		close(sock);
	return has;
}

/* ---- the chain ---- */

static void make_table(struct rig *rig)
{
	int32_t empty[SLOTS];

	memset(empty, 0xff, sizeof(empty));
	cr_assert_eq(oring_register_files(&rig->ring, empty, SLOTS), 0);
}

/* What this kernel needs for all stages, and a table of empty slots. */
static void require_all(struct rig *rig)
{
	REQUIRE_OP(rig, ORING_OP_LISTEN);
	REQUIRE_OP(rig, ORING_OP_FIXED_FD_INSTALL);
	make_table(rig);
}

static void fill(struct rig *rig, struct desk *desk)
{
	cr_assert_eq(oring_listener_fill(&desk->listener, &rig->ring, &desk->params,
					 oring_context_pointer(&desk->listener)),
		     0);
}

/* Submit and step until there is news. A completion of the stream that failed is stepped too. */
static struct oring_listener_step news(struct rig *rig, struct desk *desk)
{
	struct oring_listener_step step;
	int i;

	for (i = 0; i < 20; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		if (!oring_listener_owns(&desk->listener, &cqe)) {
			cr_assert_eq(cqe.user_data, STREAM);
			cr_assert_eq(cqe.res, -ECANCELED);
			cr_assert(oring_multishot_step(&desk->stream, &cqe).retired);
			continue;
		}
		cr_assert(oring_listener_busy(&desk->listener));
		step = oring_listener_step(&desk->listener, &cqe);
		if (step.state != ORING_LISTENER_WORKING) {
			cr_assert_not(oring_listener_busy(&desk->listener));
			/* Once: the same completion again is no news. */
			cr_assert_eq(oring_listener_step(&desk->listener, &cqe).state,
				     ORING_LISTENER_WORKING);
			return step;
		}
	}
	cr_assert_fail("no news");
	return step;
}

static struct oring_listener_step start(struct rig *rig, struct desk *desk)
{
	fill(rig, desk);
	return news(rig, desk);
}

static void ready(struct rig *rig, struct desk *desk, oring_file *file)
{
	struct oring_listener_step step = start(rig, desk);
	bool both = desk->params.accept && desk->params.options & ORING_LISTENER_OPT_DESCRIPTOR;

	cr_assert_eq(step.state, ORING_LISTENER_READY, "%s: %s",
		     oring_listener_stage_name(step.stage), strerror(-step.error));
	cr_assert_eq(step.error, 0);
	cr_assert_eq(step.open, both ? 2 : 1);
	cr_assert_eq(oring_file_is_slot(step.file),
		     !(desk->params.options & ORING_LISTENER_OPT_DESCRIPTOR));
	if (oring_file_is_slot(step.file))
		cr_assert_eq(oring_file_value(step.file), SLOT);
	*file = step.file;
}

/* The chain fails there, with this. Returns how much is left open. */
static uint32_t fails(struct rig *rig, struct desk *desk, uint32_t stage, int error)
{
	struct oring_listener_step step = start(rig, desk);

	cr_assert_eq(step.state, ORING_LISTENER_FAILED);
	cr_assert_eq(step.stage, stage, "%s: %s", oring_listener_stage_name(step.stage),
		     strerror(-step.error));
	cr_assert_eq(step.error, error, "%s", strerror(-step.error));
	if (desk->params.accept != NULL && oring_multishot_busy(&desk->stream)) {
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert_eq(cqe.user_data, STREAM);
		cr_assert_eq(cqe.res, -ECANCELED);
		cr_assert(oring_multishot_step(&desk->stream, &cqe).retired);
	}
	return step.open;
}

static int close_one(struct rig *rig, struct desk *desk)
{
	struct oring_sqe *sqe = oring_sq_reserve(&rig->ring);
	int ret = oring_listener_close(&desk->listener, sqe);

	if (ret < 0)
		cr_assert_eq(oring_sq_unreserve(&rig->ring, 1), 0);
	return ret;
}

static bool slot_is_empty(struct rig *rig)
{
	int ret;

	oring_prep_fixed_fd_install(rig_sqe(rig), oring_slot_at(SLOT), 0);
	ret = rig_result(rig);
	if (ret >= 0)
		close(ret);
	else
		cr_assert_eq(ret, -EBADF);
	return ret < 0;
}

/* Close @open things, one after the other or all at once. */
static void finish(struct rig *rig, struct desk *desk, uint32_t open)
{
	uint32_t i;

	for (i = 0; i < open; i++)
		cr_assert_eq(close_one(rig, desk), 0);
	cr_assert_eq(close_one(rig, desk), -ENOENT);
	if (open > 0)
		cr_assert_eq(news(rig, desk).state, ORING_LISTENER_CLOSED);
	cr_assert_eq(close_one(rig, desk), -ENOENT);
	cr_assert(slot_is_empty(rig));
}

/* ---- clients ---- */

/* A descriptor for @file, which is the caller's. */
static int look_at(struct rig *rig, oring_file file)
{
	int fd;

	if (!oring_file_is_slot(file))
		return dup(oring_file_value(file));
	oring_prep_fixed_fd_install(rig_sqe(rig), oring_slot_at((uint32_t)oring_file_value(file)),
				    0);
	fd = rig_result(rig);
	cr_assert_geq(fd, 0);
	return fd;
}

static int option_of(struct rig *rig, oring_file file, int level, int option)
{
	int fd = look_at(rig, file), value = -1;
	socklen_t len = sizeof(value);

	cr_assert_eq(getsockopt(fd, level, option, &value, &len), 0);
	close(fd);
	return value;
}

static socklen_t name_of(struct rig *rig, oring_file file, struct sockaddr_storage *name)
{
	int fd = look_at(rig, file);
	socklen_t len = sizeof(*name);

	cr_assert_eq(getsockname(fd, (struct sockaddr *)name, &len), 0);
	close(fd);
	return len;
}

static uint16_t port_of(struct rig *rig, oring_file file)
{
	struct sockaddr_storage name;

	name_of(rig, file, &name);
	return ntohs(((struct sockaddr_in *)&name)->sin_port);
}

/* A plain socket, connected to @name; or a negative errno. */
static int client_of(const struct sockaddr_storage *name, socklen_t len, int type)
{
	int sock = socket(name->ss_family, type | SOCK_CLOEXEC, 0);

	cr_assert_geq(sock, 0);
	if (connect(sock, (const struct sockaddr *)name, len) == 0)
		return sock;
	close(sock);
	return -errno;
}

/* The connection that has come. */
static oring_file take(struct rig *rig, struct desk *desk, oring_file file)
{
	if (desk->params.accept != NULL) {
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert_eq(cqe.user_data, STREAM);
		cr_assert_not(oring_listener_owns(&desk->listener, &cqe));
		cr_assert_geq(cqe.res, 0, "%s", strerror(-cqe.res));
		cr_assert(oring_multishot_step(&desk->stream, &cqe).data);
		if (desk->params.options & ORING_LISTENER_OPT_ACCEPT_DIRECT)
			return oring_file_slot((uint32_t)cqe.res);
		cr_assert_eq(fcntl(cqe.res, F_GETFD), FD_CLOEXEC);
		return oring_file_fd(cqe.res);
	}
	oring_prep_accept(rig_sqe(rig), file, NULL, NULL, SOCK_CLOEXEC);
	return oring_file_fd(rig_result(rig));
}

/* A client comes, and bytes go both ways. */
static void converse(struct rig *rig, struct desk *desk, oring_file file)
{
	struct sockaddr_storage name;
	socklen_t len = name_of(rig, file, &name);
	int client = client_of(&name, len, desk->params.type);
	oring_file connection;
	char got[8] = "";

	cr_assert_geq(client, 0, "%s", strerror(-client));
	connection = take(rig, desk, file);
	cr_assert_eq(send(client, "ping", 4, 0), 4);
	oring_prep_recv(rig_sqe(rig), connection, got, 4, MSG_WAITALL);
	cr_assert_eq(rig_result(rig), 4);
	cr_assert_arr_eq(got, "ping", 4);
	oring_prep_send(rig_sqe(rig), connection, "pong", 4, MSG_WAITALL);
	cr_assert_eq(rig_result(rig), 4);
	cr_assert_eq(recv(client, got, 4, MSG_WAITALL), 4);
	cr_assert_arr_eq(got, "pong", 4);
	close(client);
	oring_prep_close(rig_sqe(rig), connection);
	cr_assert_eq(rig_result(rig), 0);
}

/* The accept ends, and then all is closed. */
static void retire(struct rig *rig, struct desk *desk, uint32_t open)
{
	if (desk->params.accept != NULL) {
		struct oring_sqe *sqe = oring_sq_reserve(&rig->ring);
		int i, retired = 0;

		cr_assert_eq(
			oring_multishot_cancel(&desk->stream, sqe, oring_context_from_bits(CANCEL)),
			0);
		for (i = 0; i < 2; i++) {
			struct oring_cqe cqe = rig_reap(rig);

			retired +=
				cqe.user_data == CANCEL
					? oring_multishot_cancel_step(&desk->stream, &cqe).retired
					: oring_multishot_step(&desk->stream, &cqe).retired;
		}
		cr_assert_eq(retired, 1);
	}
	finish(rig, desk, open);
	clean_up(desk);
}

/* ---- what works ---- */

/* One after the other: slot, descriptor; the same with the accept; connections in slots. */
enum way {
	WAY_SLOT,
	WAY_DESCRIPTOR,
	WAY_ACCEPT,
	WAY_BOTH,
	WAY_DIRECT,
	WAYS
};

static void set_way(struct desk *desk, enum way way)
{
	if (way == WAY_DESCRIPTOR || way == WAY_BOTH)
		desk->params.options |= ORING_LISTENER_OPT_DESCRIPTOR;
	if (way == WAY_DIRECT)
		desk->params.options |= ORING_LISTENER_OPT_ACCEPT_DIRECT;
	else
		desk->params.accept_flags = SOCK_CLOEXEC;
	if (way >= WAY_ACCEPT)
		desk->params.accept = &desk->stream;
}

static void serve(struct rig *rig, enum place place, int type, uint32_t options)
{
	int way, i;

	for (way = 0; way < WAYS; way++) {
		int before = open_descriptors();
		struct desk desk;
		oring_file file;

		set_up(&desk, place);
		desk.params.type = type;
		desk.params.options = options;
		set_way(&desk, (enum way)way);
		ready(rig, &desk, &file);
		cr_assert_eq(open_descriptors() - before, !oring_file_is_slot(file));
		if (way == WAY_DESCRIPTOR)
			cr_assert(slot_is_empty(rig));
		for (i = 0; i < 2; i++)
			converse(rig, &desk, file);
		retire(rig, &desk, way == WAY_BOTH ? 2 : 1);
		cr_assert_eq(open_descriptors(), before);
	}
}

RING_TEST(listen, of_every_family)
{
	require_all(rig);
	serve(rig, PLACE_V4, SOCK_STREAM, 0);
	serve(rig, PLACE_PATH, SOCK_STREAM, 0);
	serve(rig, PLACE_ABSTRACT, SOCK_SEQPACKET, 0);
}

RING_TEST(listen, with_all_options)
{
	require_all(rig);
	if (!has_v6())
		cr_skip_test("IPv6: not on this machine");
	serve(rig, PLACE_V6, SOCK_STREAM,
	      ORING_LISTENER_OPT_REUSE_ADDRESS | ORING_LISTENER_OPT_REUSE_PORT |
		      ORING_LISTENER_OPT_V6_ONLY);
	serve(rig, PLACE_V6, SOCK_STREAM, ORING_LISTENER_OPT_V6_AND_V4);
}

RING_TEST(listen, identities_keep_their_kind)
{
	oring_context first = oring_context_handle(0, 77, 1234);
	int stages = 0, i;
	struct desk desk;

	require_all(rig);
	set_up(&desk, PLACE_V4);
	desk.params.options = ORING_LISTENER_OPT_DESCRIPTOR | ORING_LISTENER_OPT_REUSE_ADDRESS;
	cr_assert_eq(oring_listener_fill(&desk.listener, &rig->ring, &desk.params, first), 0);
	for (i = 0; i < 6; i++) {
		struct oring_cqe cqe = rig_reap(rig);
		oring_context context = oring_cqe_context(&cqe);

		cr_assert_eq(cqe.user_data % 4, ORING_CONTEXT_HANDLE);
		cr_assert_eq(oring_context_index(context), 77);
		cr_assert_eq(oring_context_generation(context), 1234);
		stages |= 1 << oring_context_op(context);
		cr_assert_eq(oring_listener_step(&desk.listener, &cqe).state,
			     i == 5 ? ORING_LISTENER_READY : ORING_LISTENER_WORKING);
	}
	cr_assert_eq(stages, 1 << ORING_LISTENER_SOCKET | 1 << ORING_LISTENER_REUSE_ADDRESS |
				     1 << ORING_LISTENER_BIND | 1 << ORING_LISTENER_LISTEN |
				     1 << ORING_LISTENER_INSTALL | 1 << ORING_LISTENER_EMPTY);
	finish(rig, &desk, 1);
}

/* ---- options ---- */

RING_TEST(listen, options_are_set)
{
	static const struct {
		uint32_t option;
		int level, name;
	} rows[] = {
		{ ORING_LISTENER_OPT_REUSE_ADDRESS, SOL_SOCKET, SO_REUSEADDR },
		{ ORING_LISTENER_OPT_REUSE_PORT, SOL_SOCKET, SO_REUSEPORT },
	};
	uint32_t options;
	size_t i;

	require_all(rig);
	for (options = 0; options < 4; options++) {
		struct desk desk;
		oring_file file;
		int fd;

		set_up(&desk, PLACE_V4);
		desk.params.options = options | ORING_LISTENER_OPT_DESCRIPTOR;
		if (options & 1)
			desk.params.options |= ORING_LISTENER_OPT_NO_CLOEXEC;
		if (options & 2)
			desk.params.type |= SOCK_NONBLOCK;
		ready(rig, &desk, &file);
		for (i = 0; i < 2; i++)
			cr_assert_eq(option_of(rig, file, rows[i].level, rows[i].name),
				     (options & rows[i].option) != 0);
		fd = oring_file_value(file);
		cr_assert_eq(fcntl(fd, F_GETFD), options & 1 ? 0 : FD_CLOEXEC);
		cr_assert_eq((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, (options & 2) != 0);
		finish(rig, &desk, 1);
	}
}

RING_TEST(listen, a_port_for_two)
{
	struct desk one, two;
	oring_file first, second;

	require_all(rig);
	set_up(&one, PLACE_V4);
	one.params.options = ORING_LISTENER_OPT_REUSE_PORT | ORING_LISTENER_OPT_DESCRIPTOR;
	ready(rig, &one, &first);
	set_up(&two, PLACE_V4);
	at_v4(&two, port_of(rig, first));
	two.params.options = ORING_LISTENER_OPT_REUSE_PORT;
	ready(rig, &two, &second);
	cr_assert_eq(port_of(rig, first), port_of(rig, second));
	finish(rig, &two, 1);
	/* Without the option there is room for one only. */
	two.params.options = ORING_LISTENER_OPT_REUSE_ADDRESS;
	finish(rig, &two, fails(rig, &two, ORING_LISTENER_BIND, -EADDRINUSE));
	finish(rig, &one, 1);
}

RING_TEST(listen, v6_with_or_without_v4)
{
	struct sockaddr_storage name;
	struct desk desk, four;
	oring_file file, other;
	int only, client;

	require_all(rig);
	if (!has_v6())
		cr_skip_test("IPv6: not on this machine");
	for (only = 0; only < 2; only++) {
		set_up(&desk, PLACE_V6);
		at_v6(&desk, &in6addr_any, 0);
		desk.params.options =
			ORING_LISTENER_OPT_DESCRIPTOR |
			(only ? ORING_LISTENER_OPT_V6_ONLY : ORING_LISTENER_OPT_V6_AND_V4);
		ready(rig, &desk, &file);
		cr_assert_eq(option_of(rig, file, IPPROTO_IPV6, IPV6_V6ONLY), only);
		set_up(&four, PLACE_V4);
		at_v4(&four, port_of(rig, file));
		memcpy(&name, &four.address, sizeof(name));
		client = client_of(&name, sizeof(struct sockaddr_in), SOCK_STREAM);
		if (only) {
			cr_assert_eq(client, -ECONNREFUSED);
			ready(rig, &four, &other);
			finish(rig, &four, 1);
		} else {
			cr_assert_geq(client, 0, "%s", strerror(-client));
			close(client);
		}
		finish(rig, &desk, 1);
	}
}

/* ---- what fails ---- */

RING_TEST(listen, address_in_use)
{
	int way, place;

	require_all(rig);
	for (place = PLACE_V4; place < PLACES; place++) {
		struct desk one, two;
		oring_file file;

		if (place == PLACE_V6)
			continue;
		set_up(&one, (enum place)place);
		one.params.options = ORING_LISTENER_OPT_DESCRIPTOR;
		ready(rig, &one, &file);
		for (way = 0; way < WAYS; way++) {
			int before = open_descriptors();
			uint32_t open;

			set_up(&two, (enum place)place);
			two.params.address_length = name_of(rig, file, &two.address);
			set_way(&two, (enum way)way);
			open = fails(rig, &two, ORING_LISTENER_BIND, -EADDRINUSE);
			cr_assert_eq(open, 1);
			cr_assert_not(slot_is_empty(rig));
			finish(rig, &two, open);
			cr_assert_eq(open_descriptors(), before);
		}
		retire(rig, &one, 1);
	}
}

RING_TEST(listen, no_such_socket)
{
	struct desk desk;

	require_all(rig);
	set_up(&desk, PLACE_V4);
	desk.params.family = 0x7654;
	cr_assert_eq(fails(rig, &desk, ORING_LISTENER_SOCKET, -EAFNOSUPPORT), 0);
	finish(rig, &desk, 0);
	set_up(&desk, PLACE_V4);
	desk.params.options = ORING_LISTENER_OPT_DESCRIPTOR;
	desk.params.protocol = IPPROTO_UDP;
	cr_assert_eq(fails(rig, &desk, ORING_LISTENER_SOCKET, -EPROTONOSUPPORT), 0);
	finish(rig, &desk, 0);
	/* Refused when it is submitted: the chain is torn, and the rest finds no socket. */
	set_up(&desk, PLACE_V4);
	desk.params.options = ORING_LISTENER_OPT_DESCRIPTOR | ORING_LISTENER_OPT_REUSE_ADDRESS;
	desk.params.type |= SOCK_CLOEXEC;
	cr_assert_eq(fails(rig, &desk, ORING_LISTENER_SOCKET, -EINVAL), 0);
	finish(rig, &desk, 0);
	/* A slot that is none, of the table and of the field. */
	set_up(&desk, PLACE_V4);
	desk.params.slot = oring_slot_at(SLOTS);
	cr_assert_eq(fails(rig, &desk, ORING_LISTENER_SOCKET, -EINVAL), 0);
	desk.params.slot = oring_slot_at(ORING_FILE_INDEX_ALLOC - 1);
	cr_assert_eq(fails(rig, &desk, ORING_LISTENER_SOCKET, -EINVAL), 0);
}

RING_TEST(listen, other_stages_fail)
{
	struct desk desk;

	require_all(rig);
	/* Datagrams do not listen. */
	set_up(&desk, PLACE_V4);
	desk.params.type = SOCK_DGRAM;
	desk.params.options = ORING_LISTENER_OPT_DESCRIPTOR;
	finish(rig, &desk, fails(rig, &desk, ORING_LISTENER_LISTEN, -EOPNOTSUPP));
	/* A socket without IPv6 has no such option. */
	set_up(&desk, PLACE_V4);
	desk.params.options = ORING_LISTENER_OPT_V6_ONLY | ORING_LISTENER_OPT_REUSE_ADDRESS;
	finish(rig, &desk, fails(rig, &desk, ORING_LISTENER_V6, -ENOPROTOOPT));
	/* An address of another family. */
	set_up(&desk, PLACE_V4);
	desk.params.family = AF_UNIX;
	finish(rig, &desk, fails(rig, &desk, ORING_LISTENER_BIND, -EINVAL));
}

RING_TEST_ENTERED(listen, not_permitted)
{
	char folder[] = "/tmp/oring-listen-XXXXXX", path[64];
	struct desk desk;

	require_all(rig);
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chmod(folder, 0500), 0);
	snprintf(path, sizeof(path), "%s/socket", folder);
	set_up(&desk, PLACE_ABSTRACT);
	memset(&desk.address, 0, sizeof(desk.address));
	at_unix(&desk, path, false);
	if (geteuid() == 0)
		cr_assert_eq(seteuid(65534), 0);
	finish(rig, &desk, fails(rig, &desk, ORING_LISTENER_BIND, -EACCES));
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
	cr_assert_eq(prctl(PR_SET_DUMPABLE, 1), 0);
	cr_assert_eq(rmdir(folder), 0);
}

/* A ring that knows all operations but this one, as older kernels. */
static void make_older(struct rig *rig, uint32_t flags, uint8_t lacks)
{
	static const uint8_t ops[] = { ORING_OP_SOCKET, ORING_OP_URING_CMD,
				       ORING_OP_BIND,	ORING_OP_LISTEN,
				       ORING_OP_CLOSE,	ORING_OP_FIXED_FD_INSTALL,
				       ORING_OP_ACCEPT };
	struct oring_restriction list[8];
	uint32_t count = 0, i;

	memset(list, 0, sizeof(list));
	for (i = 0; i < sizeof(ops); i++) {
		if (ops[i] != lacks) {
			list[count].opcode = ORING_RESTRICTION_SQE_OP;
			list[count++].sqe_op = ops[i];
		}
	}
	list[count].opcode = ORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	list[count++].sqe_op = ORING_SQE_FIXED_FILE | ORING_SQE_IO_LINK;
	memset(rig, 0, sizeof(*rig));
	require_ring(&rig->ring, RIG_ENTRIES, flags | ORING_SETUP_R_DISABLED);
	make_table(rig);
	cr_assert_eq(oring_register_restrictions(&rig->ring, list, count), 0);
	cr_assert_eq(oring_enable(&rig->ring), 0);
}

RING_TEST_ENTERED(listen, refused_operations)
{
	static const struct {
		uint8_t op;
		uint32_t stage;
	} rows[] = {
		{ ORING_OP_SOCKET, ORING_LISTENER_SOCKET },
		{ ORING_OP_URING_CMD, ORING_LISTENER_REUSE_ADDRESS },
		{ ORING_OP_BIND, ORING_LISTENER_BIND },
		{ ORING_OP_LISTEN, ORING_LISTENER_LISTEN },
		{ ORING_OP_FIXED_FD_INSTALL, ORING_LISTENER_INSTALL },
	};
	size_t i;

	require_all(rig);
	for (i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig older;
		struct desk desk;

		make_older(&older, i % 2 ? ORING_SETUP_SUBMIT_ALL : 0, rows[i / 2].op);
		set_up(&desk, PLACE_V4);
		desk.params.options = ORING_LISTENER_OPT_REUSE_ADDRESS |
				      ORING_LISTENER_OPT_REUSE_PORT | ORING_LISTENER_OPT_DESCRIPTOR;
		/* The whole chain fails where it is submitted: no socket was made. */
		cr_assert_eq(fails(&older, &desk, rows[i / 2].stage, -EACCES), 0);
		cr_assert_eq(close_one(&older, &desk), -ENOENT);
		cr_assert_eq(oring_exit(&older.ring), 0);
	}
}

RING_TEST(listen, before_it_came)
{
	uint32_t stage = ORING_LISTENER_BIND;
	struct desk desk;

	if (oring_feature_has_op(&rig->can, ORING_OP_LISTEN))
		cr_skip_test("this kernel has all of it");
	make_table(rig);
	if (!oring_feature_has_op(&rig->can, ORING_OP_SOCKET))
		stage = ORING_LISTENER_SOCKET;
	set_up(&desk, PLACE_V4);
	cr_assert_eq(fails(rig, &desk, stage, -EINVAL), 0);
	desk.params.options = ORING_LISTENER_OPT_DESCRIPTOR;
	cr_assert_eq(fails(rig, &desk, stage, -EINVAL), 0);
	cr_assert_eq(close_one(rig, &desk), -ENOENT);
}

/* ---- refusals by the library ---- */

RING_TEST(listen, all_entries_or_none)
{
	struct oring_listener before;
	struct oring_sqe *sqe;
	struct desk desk;
	uint32_t i;

	set_up(&desk, PLACE_V4);
	desk.params.options = ORING_LISTENER_OPT_REUSE_ADDRESS | ORING_LISTENER_OPT_DESCRIPTOR;
	desk.params.accept = &desk.stream;
	memset(&desk.listener, 0x5a, sizeof(desk.listener));
	memcpy(&before, &desk.listener, sizeof(before));
	/* The chain has 6 entries. */
	for (i = 0; i < RIG_ENTRIES - 5; i++)
		oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(oring_listener_fill(&desk.listener, &rig->ring, &desk.params,
					 oring_context_from_bits(0)),
		     -EAGAIN);
	cr_assert_eq(oring_sq_space(&rig->ring), 5);
	cr_assert_eq(memcmp(&before, &desk.listener, sizeof(before)), 0);
	cr_assert_not(oring_multishot_busy(&desk.stream));
	/* The entry before it is none of the chain's. */
	cr_assert_eq(oring_sq_unreserve(&rig->ring, 1), 0);
	sqe = oring_sq_at(&rig->ring, rig->ring.sq_reserved - 1);
	fill(rig, &desk);
	cr_assert_eq(sqe->flags, 0);
	cr_assert_eq(oring_sq_space(&rig->ring), 0);
	cr_assert(oring_multishot_busy(&desk.stream));
	cr_assert_eq(oring_sq_unreserve(&rig->ring, 6), 0);
	/* Its stream is armed. */
	cr_assert_eq(oring_listener_fill(&desk.listener, &rig->ring, &desk.params,
					 oring_context_from_bits(0)),
		     -EBUSY);
	cr_assert_eq(oring_sq_space(&rig->ring), 6);
	oring_multishot_disarm(&desk.stream);
	for (i = 0; i < RIG_ENTRIES - 6; i++)
		cr_assert_eq(rig_reap(rig).res, 0);
}

RING_TEST(listen, parameters_are_checked)
{
	static const uint32_t bad[] = {
		ORING_LISTENER_OPT_V6_ONLY | ORING_LISTENER_OPT_V6_AND_V4,
		ORING_LISTENER_OPT_ACCEPT_DIRECT << 1,
		1U << 31,
	};
	struct oring small;
	struct desk desk;
	size_t i;

	for (i = 0; i < 4; i++) {
		set_up(&desk, PLACE_V6);
		if (i < 3)
			desk.params.options = bad[i];
		else
			desk.params.slot = ORING_SLOT_ALLOC;
		cr_assert_eq(oring_listener_fill(&desk.listener, &rig->ring, &desk.params,
						 oring_context_from_bits(0)),
			     -EINVAL);
	}
	cr_assert_eq(oring_sq_pending(&rig->ring), 0);
	require_ring(&small, 4, 0);
	set_up(&desk, PLACE_V4);
	desk.params.options = ORING_LISTENER_OPT_DESCRIPTOR;
	cr_assert_eq(oring_listener_fill(&desk.listener, &small, &desk.params,
					 oring_context_from_bits(0)),
		     -EINVAL, "5 entries");
	cr_assert_eq(oring_exit(&small), 0);
}

/* ---- closing ---- */

RING_TEST(listen, closing)
{
	struct oring_listener_step step;
	struct oring_sqe *sqe, blank;
	struct desk desk;

	require_all(rig);
	set_up(&desk, PLACE_V4);
	fill(rig, &desk);
	memset(&blank, 0, sizeof(blank));
	cr_assert_eq(oring_listener_close(&desk.listener, &blank), -EBUSY);
	cr_assert_eq(blank.opcode, 0);
	cr_assert_eq(blank.user_data, 0);
	step = news(rig, &desk);
	cr_assert_eq(step.state, ORING_LISTENER_READY);
	/* A close that is cancelled has closed nothing, and may be asked for again. */
	sqe = rig_sqe(rig);
	oring_prep_read(sqe, oring_file_fd(-1), NULL, 0, 0);
	oring_sqe_link(sqe);
	cr_assert_eq(close_one(rig, &desk), 0);
	rig_wait(rig, 2);
	cr_assert_eq(rig_reap(rig).res, -EBADF);
	step = news(rig, &desk);
	cr_assert_eq(step.state, ORING_LISTENER_FAILED);
	cr_assert_eq(step.stage, ORING_LISTENER_CLOSE_SLOT);
	cr_assert_eq(step.error, -ECANCELED);
	cr_assert_eq(step.open, 1);
	converse(rig, &desk, oring_file_slot(SLOT));
	finish(rig, &desk, 1);
}

RING_TEST(listen, closing_one_after_the_other)
{
	struct oring_listener_step step;
	struct oring_cqe cqe;
	struct desk desk;
	oring_file file;

	require_all(rig);
	set_up(&desk, PLACE_V4);
	set_way(&desk, WAY_BOTH);
	ready(rig, &desk, &file);
	/* The accept may begin after the listener is ready: once it has, the slot may go. */
	converse(rig, &desk, file);
	cr_assert_eq(close_one(rig, &desk), 0);
	cqe = rig_reap(rig);
	step = oring_listener_step(&desk.listener, &cqe);
	cr_assert_eq(step.state, ORING_LISTENER_WORKING);
	cr_assert_eq(step.open, 1);
	cr_assert(slot_is_empty(rig));
	converse(rig, &desk, file);
	retire(rig, &desk, 1);
}

/* ---- every order of completions ---- */

#define MOST 8

/* Filled, and taken back: what the kernel would have seen. */
struct sheet {
	struct desk desk;
	uint64_t ids[MOST];
	uint32_t stages[MOST];
	int32_t results[MOST];
	uint32_t n;
};

static void write_sheet(struct sheet *sheet, uint32_t options)
{
	static const uint8_t ops[ORING_LISTENER_STAGES] = {
		ORING_OP_SOCKET, ORING_OP_URING_CMD, ORING_OP_URING_CMD,	ORING_OP_URING_CMD,
		ORING_OP_BIND,	 ORING_OP_LISTEN,    ORING_OP_FIXED_FD_INSTALL, ORING_OP_CLOSE,
	};
	struct oring ring;
	uint32_t i;

	require_ring(&ring, MOST, 0);
	set_up(&sheet->desk, PLACE_V6);
	sheet->desk.params.options = options;
	cr_assert_eq(oring_listener_fill(&sheet->desk.listener, &ring, &sheet->desk.params,
					 oring_context_from_bits(UINT64_MAX - 9)),
		     0);
	sheet->n = oring_sq_pending(&ring);
	for (i = 0; i < sheet->n; i++) {
		const struct oring_sqe *sqe = oring_sq_at(&ring, i);

		cr_assert_eq(oring_sqe_check(sqe), 0);
		sheet->ids[i] = sqe->user_data;
		sheet->stages[i] = (uint32_t)((sqe->user_data - (UINT64_MAX - 9)) / 4);
		cr_assert_lt(sheet->stages[i], ORING_LISTENER_CLOSE_SLOT);
		cr_assert(i == 0 || sheet->stages[i] > sheet->stages[i - 1]);
		cr_assert_eq(sqe->opcode, ops[sheet->stages[i]]);
		cr_assert_eq((sqe->flags & ORING_SQE_IO_LINK) != 0, i + 1 < sheet->n);
	}
	cr_assert_eq(oring_exit(&ring), 0);
}

/* One order, from a listener as it was filled. */
static void play(const struct sheet *sheet, const uint32_t *order, uint32_t failing, int32_t error)
{
	struct oring_listener listener = sheet->desk.listener;
	bool slot = false, descriptor = false;
	struct oring_listener_step step;
	uint32_t i;

	for (i = 0; i < sheet->n; i++) {
		uint32_t at = order[i];
		struct oring_cqe cqe = { sheet->ids[at], sheet->results[at], 0 };
		struct oring_cqe other = { cqe.user_data + 1, 0, 0 };

		cr_assert_eq(oring_listener_step(&listener, &other).state, ORING_LISTENER_WORKING);
		cr_assert(oring_listener_busy(&listener));
		step = oring_listener_step(&listener, &cqe);
		cr_assert_eq(step.state == ORING_LISTENER_WORKING, i + 1 < sheet->n);
		cr_assert_eq(oring_listener_step(&listener, &cqe).state, ORING_LISTENER_WORKING);
	}
	for (i = 0; i < sheet->n; i++) {
		if (sheet->results[i] < 0)
			break;
		slot = sheet->stages[i] != ORING_LISTENER_EMPTY;
		descriptor |= sheet->stages[i] == ORING_LISTENER_INSTALL;
	}
	cr_assert_eq(step.open, slot + descriptor);
	if (failing == sheet->n) {
		cr_assert_eq(step.state, ORING_LISTENER_READY);
		cr_assert_eq(step.file.bits,
			     descriptor ? oring_file_fd(77).bits : oring_file_slot(SLOT).bits);
		return;
	}
	cr_assert_eq(step.state, ORING_LISTENER_FAILED);
	cr_assert_eq(step.stage, sheet->stages[failing]);
	cr_assert_eq(step.error, error);
}

static uint32_t play_all(const struct sheet *sheet, uint32_t *order, uint32_t k, uint32_t failing,
			 int32_t error)
{
	uint32_t i, played = 0;

	if (k == sheet->n) {
		play(sheet, order, failing, error);
		return 1;
	}
	for (i = k; i < sheet->n; i++) {
		uint32_t kept = order[k];

		order[k] = order[i];
		order[i] = kept;
		played += play_all(sheet, order, k + 1, failing, error);
		order[i] = order[k];
		order[k] = kept;
	}
	return played;
}

/* How a chain ends in which entry @failing fails: when it runs, or when it is submitted. */
static void give_results(struct sheet *sheet, uint32_t failing, int32_t error, bool at_submit)
{
	uint32_t i;

	for (i = 0; i < sheet->n; i++) {
		int32_t good = sheet->stages[i] == ORING_LISTENER_INSTALL ? 77 : 0;

		if (i == failing)
			sheet->results[i] = error;
		else
			sheet->results[i] = at_submit || i > failing ? -ECANCELED : good;
	}
}

static void play_sheet(uint32_t options, uint32_t n, uint32_t orders)
{
	struct sheet sheet;
	uint32_t order[MOST], failing, i;
	int at_submit;

	memset(&sheet, 0, sizeof(sheet));
	write_sheet(&sheet, options);
	cr_assert_eq(sheet.n, n);
	for (i = 0; i < n; i++)
		order[i] = i;
	for (failing = 0; failing <= n; failing++) {
		for (at_submit = 0; at_submit < 1 + (failing < n); at_submit++) {
			give_results(&sheet, failing, -EACCES, at_submit);
			cr_assert_eq(play_all(&sheet, order, 0, failing, -EACCES), orders);
		}
	}
	/* Cancelled by somebody, before it began or at its end. */
	for (failing = 0; failing < n; failing += n - 1) {
		give_results(&sheet, failing, -ECANCELED, false);
		cr_assert_eq(play_all(&sheet, order, 0, failing, -ECANCELED), orders);
	}
	/* Two that are refused: the first counts. */
	give_results(&sheet, 1, -EINVAL, true);
	sheet.results[2] = -EACCES;
	cr_assert_eq(play_all(&sheet, order, 0, 1, -EINVAL), orders);
}

Test(listen, every_order_of_completions)
{
	play_sheet(0, 3, 6);
	play_sheet(ORING_LISTENER_OPT_V6_ONLY | ORING_LISTENER_OPT_DESCRIPTOR, 6, 720);
}

Test(listen, all_stages_are_in_the_chain)
{
	struct sheet sheet;

	memset(&sheet, 0, sizeof(sheet));
	write_sheet(&sheet, ORING_LISTENER_OPT_REUSE_ADDRESS | ORING_LISTENER_OPT_REUSE_PORT |
				    ORING_LISTENER_OPT_V6_AND_V4 | ORING_LISTENER_OPT_DESCRIPTOR);
	cr_assert_eq(sheet.n, MOST);
}

Test(listen, stages_have_names)
{
	uint32_t i, j;

	for (i = 0; i < ORING_LISTENER_STAGES; i++) {
		cr_assert_str_neq(oring_listener_stage_name(i), "?");
		for (j = 0; j < i; j++)
			cr_assert_str_neq(oring_listener_stage_name(i),
					  oring_listener_stage_name(j));
	}
	cr_assert_str_eq(oring_listener_stage_name(ORING_LISTENER_BIND), "bind");
	cr_assert_str_eq(oring_listener_stage_name(ORING_LISTENER_STAGES), "?");
	cr_assert_str_eq(oring_listener_stage_name(UINT32_MAX), "?");
}
