/* SPDX-License-Identifier: MIT */
/* Groups of provided buffers: pieces, and who has which buffer. */
#include "streams.h"

/* Connected stream sockets: [1] sends, [0] receives. */
static int ends[2];

static void make(struct rig *rig, struct store *store, uint32_t size, uint32_t count,
		 uint16_t flags)
{
	make_store(rig, store, size, count, flags);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void end(struct rig *rig, struct store *store)
{
	close(ends[0]);
	close(ends[1]);
	end_store(rig, store);
}

static void send_bytes(const void *bytes, size_t length)
{
	put(ends[1], bytes, length);
}

static struct oring_cqe receive(struct rig *rig)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_recv(sqe, oring_file_fd(ends[0]), NULL, 0, 0);
	oring_sqe_buffer_select(sqe, GROUP);
	return rig_reap(rig);
}

RING_TEST(bufgroup, one_piece_each)
{
	struct oring_bufwalk walk;
	struct oring_piece piece, other;
	struct oring_cqe cqe;
	struct store store;
	char bytes[20];
	int i;

	make(rig, &store, 32, 4, 0);
	for (i = 0; i < 21; i++) {
		memset(bytes, 'a' + i, sizeof(bytes));
		send_bytes(bytes, sizeof(bytes));
		cqe = receive(rig);
		cr_assert_eq(cqe.res, 20);
		cr_assert_eq(oring_bufgroup_open(&store.group, &cqe, &walk), 0);
		cr_assert(oring_bufgroup_next(&walk, &piece));
		cr_assert_eq(piece.length, 20);
		cr_assert_arr_eq(piece.data, bytes, 20);
		cr_assert_eq(piece.data, oring_bufgroup_at(&store.group, piece.bid));
		cr_assert_not(oring_bufgroup_next(&walk, &other));
		cr_assert_eq(oring_bufgroup_out(&store.group), 1);
		/* The same completion again, and a piece that nobody was given. */
		cr_assert_eq(oring_bufgroup_open(&store.group, &cqe, &walk), -EINVAL);
		cr_assert_not(oring_bufgroup_next(&walk, &other));
		cr_assert_eq(oring_bufgroup_release(&store.group, (uint16_t)(piece.bid + 1)),
			     -EINVAL);
		cr_assert_eq(oring_bufgroup_release(&store.group, 4), -EINVAL);
		cr_assert_eq(oring_bufgroup_release(&store.group, piece.bid), 0);
		cr_assert_eq(oring_bufgroup_release(&store.group, piece.bid), -EINVAL, "twice");
		oring_bufgroup_commit(&store.group);
	}
	cr_assert_null(oring_bufgroup_at(&store.group, 4));
	end(rig, &store);
}

RING_TEST(bufgroup, returned_in_any_order)
{
	struct oring_bufwalk walk;
	struct oring_piece held[8];
	struct oring_cqe cqe;
	struct store store;
	uint32_t seed = 12345, round;
	unsigned char byte = 0;
	int n, i;

	make(rig, &store, 16, 8, 0);
	for (round = 0; round < 10; round++) {
		for (n = 0; n < 8; n++) {
			byte++;
			send_bytes(&byte, 1);
			cqe = receive(rig);
			cr_assert_eq(oring_bufgroup_open(&store.group, &cqe, &walk), 0);
			cr_assert(oring_bufgroup_next(&walk, &held[n]));
		}
		/* Nobody touches what is held. */
		for (n = 0; n < 8; n++)
			cr_assert_eq(held[n].data[0], (unsigned char)(byte - 7 + n));
		send_bytes("?", 1);
		cr_assert_eq(receive(rig).res, -ENOBUFS);
		cr_assert_eq(read(ends[0], &i, 1), 1);
		for (n = 8; n > 0; n--) {
			seed = seed * 1103515245 + 12345;
			i = (int)((seed >> 16) % (uint32_t)n);
			cr_assert_eq(oring_bufgroup_release(&store.group, held[i].bid), 0);
			held[i] = held[n - 1];
		}
		oring_bufgroup_commit(&store.group);
	}
	end(rig, &store);
}

RING_TEST(bufgroup, incremental)
{
	/* Three messages of 100 bytes in one buffer of 256, and the fourth in two. */
	struct oring_bufwalk walk;
	struct oring_piece piece, first[3];
	struct oring_cqe cqe;
	struct store store;
	unsigned char bytes[100];
	uint16_t bid = 0;
	int i, k;

	make(rig, &store, 256, 4, ORING_PBUF_RING_INC);
	for (i = 0; i < 2; i++) {
		memset(bytes, '0' + i, sizeof(bytes));
		send_bytes(bytes, sizeof(bytes));
		cqe = receive(rig);
		cr_assert_eq(cqe.res, 100);
		cr_assert_eq(oring_bufgroup_open(&store.group, &cqe, &walk), 0);
		cr_assert(oring_bufgroup_next(&walk, &first[i]));
		cr_assert_not(oring_bufgroup_next(&walk, &piece));
		bid = first[i].bid;
		cr_assert_eq(first[i].data, oring_bufgroup_at(&store.group, bid) + 100 * i);
		cr_assert_eq(oring_bufgroup_out(&store.group), 0, "the kernel keeps it");
	}
	cr_assert_eq(oring_bufgroup_release(&store.group, bid), 0, "the first piece");
	memset(bytes, '2', sizeof(bytes));
	send_bytes(bytes, sizeof(bytes));
	cqe = receive(rig);
	cr_assert_eq(cqe.res, 56, "what is left of the buffer");
	cr_assert_eq(oring_bufgroup_open(&store.group, &cqe, &walk), 0);
	cr_assert(oring_bufgroup_next(&walk, &first[2]));
	cr_assert_eq(first[2].data, oring_bufgroup_at(&store.group, bid) + 200);
	cr_assert_eq(oring_bufgroup_out(&store.group), 1, "the kernel is done with it");
	for (i = 0; i < 3; i++) {
		for (k = 0; k < (int)first[i].length; k++)
			cr_assert_eq(first[i].data[k], '0' + i);
	}
	cr_assert_eq(oring_bufgroup_release(&store.group, bid), 0);
	cr_assert_eq(oring_bufgroup_out(&store.group), 1, "one piece is held still");
	cr_assert_eq(oring_bufgroup_release(&store.group, bid), 0);
	cr_assert_eq(oring_bufgroup_release(&store.group, bid), -EINVAL);
	cr_assert_eq(oring_bufgroup_out(&store.group), 0);
	oring_bufgroup_commit(&store.group);
	/* The rest of the message is in the next buffer, from its beginning. */
	cqe = receive(rig);
	cr_assert_eq(cqe.res, 44);
	cr_assert_eq(oring_bufgroup_drop(&store.group, &cqe), 44);
	/* Round and round: offsets begin at 0 again in a buffer that comes back. */
	for (i = 0; i < 40; i++) {
		memset(bytes, 'A' + i % 26, sizeof(bytes));
		send_bytes(bytes, sizeof(bytes));
		for (k = 0; k < 100;) {
			cqe = receive(rig);
			cr_assert_gt(cqe.res, 0);
			cr_assert_eq(oring_bufgroup_open(&store.group, &cqe, &walk), 0);
			cr_assert(oring_bufgroup_next(&walk, &piece));
			cr_assert_eq(piece.length, (uint32_t)cqe.res);
			cr_assert_arr_eq(piece.data, bytes, piece.length);
			k += cqe.res;
			cr_assert_eq(oring_bufgroup_release(&store.group, piece.bid), 0);
			oring_bufgroup_commit(&store.group);
		}
	}
	cr_assert_eq(oring_bufgroup_out(&store.group), 0);
	end(rig, &store);
}

/* A bundle of 2048 bytes into 256-byte buffers, @rounds times round the ring. */
static void bundles(struct rig *rig, uint16_t flags, uint32_t message, int rounds)
{
	struct oring_bufwalk walk;
	struct oring_piece piece;
	struct store store;
	unsigned char bytes[2048];
	uint32_t came, i, k, seed = 7;
	int round;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make(rig, &store, 256, 12, flags);
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < message; i++) {
			seed = seed * 1103515245 + 12345;
			bytes[i] = (unsigned char)(seed >> 16);
		}
		send_bytes(bytes, message);
		for (came = 0; came < message;) {
			struct oring_sqe *sqe = rig_sqe(rig);
			uint16_t bids[16];
			uint32_t n = 0, length = 0;
			struct oring_cqe cqe;

			oring_prep_recv_bundle(sqe, oring_file_fd(ends[0]), 0);
			oring_sqe_buffer_select(sqe, GROUP);
			cqe = rig_reap(rig);
			cr_assert_gt(cqe.res, 0, "%s", strerror(-cqe.res));
			cr_assert_eq(oring_bufgroup_open(&store.group, &cqe, &walk), 0);
			while (oring_bufgroup_next(&walk, &piece)) {
				cr_assert_arr_eq(piece.data, bytes + came + length, piece.length);
				length += piece.length;
				bids[n++] = piece.bid;
			}
			cr_assert_eq(length, (uint32_t)cqe.res);
			/* Returned in another order than taken. */
			for (k = 0; k < n; k++)
				cr_assert_eq(
					oring_bufgroup_release(&store.group, bids[(k * 5 + 3) % n]),
					0);
			oring_bufgroup_commit(&store.group);
			came += length;
		}
	}
	end(rig, &store);
}

RING_TEST(bufgroup, bundles)
{
	bundles(rig, 0, 2048, 5);
}

RING_TEST(bufgroup, short_bundles)
{
	bundles(rig, 0, 700, 20);
}

RING_TEST(bufgroup, incremental_bundles)
{
	bundles(rig, ORING_PBUF_RING_INC, 700, 20);
}

RING_TEST(bufgroup, foreign_completions)
{
	struct oring_bufwalk walk;
	struct oring_cqe cqe;
	struct store store;

	make(rig, &store, 16, 4, 0);
	memset(&cqe, 0, sizeof(cqe));
	cqe.res = 5;
	cr_assert_eq(oring_bufgroup_open(&store.group, &cqe, &walk), -ENOENT);
	cqe.flags = ORING_CQE_F_BUFFER | 4U << 16;
	cr_assert_eq(oring_bufgroup_open(&store.group, &cqe, &walk), -EINVAL);
	cqe.flags = ORING_CQE_F_BUFFER | 0xffffU << 16;
	cr_assert_eq(oring_bufgroup_drop(&store.group, &cqe), -EINVAL);
	/* A completion as of a larger group: the walk ends after all buffers. */
	cqe.flags = ORING_CQE_F_BUFFER | 1U << 16;
	cqe.res = INT32_MAX;
	cr_assert_eq(oring_bufgroup_drop(&store.group, &cqe), INT32_MAX);
	/* Failed, and it took a buffer all the same. */
	cqe.res = -EIO;
	cr_assert_eq(oring_bufgroup_drop(&store.group, &cqe), 0);
	cr_assert_eq(oring_bufgroup_out(&store.group), 0);
	/* By now the kernel's books say something else: it had taken nothing. */
	cr_assert_eq(oring_bufgroup_exit(&store.group, &rig->ring), 0);
	close(ends[0]);
	close(ends[1]);
	munmap(store.memory, 4096);
	free(store.arena);
}

Test(bufgroup, the_right_size)
{
	struct oring_bufgroup tiers[3];

	memset(tiers, 0, sizeof(tiers));
	tiers[0].size = 4096;
	tiers[1].size = 256;
	tiers[2].size = 65536;
	cr_assert_null(oring_bufgroup_fit(tiers, 0, 1));
	cr_assert_eq(oring_bufgroup_fit(tiers, 3, 0), &tiers[1]);
	cr_assert_eq(oring_bufgroup_fit(tiers, 3, 256), &tiers[1]);
	cr_assert_eq(oring_bufgroup_fit(tiers, 3, 257), &tiers[0]);
	cr_assert_eq(oring_bufgroup_fit(tiers, 3, 4097), &tiers[2]);
	cr_assert_eq(oring_bufgroup_fit(tiers, 3, 1000000), &tiers[2]);
}

Test(bufgroup, params_that_do_not_do)
{
	struct oring_bufgroup_params params;
	struct oring_bufgroup group;
	struct oring ring;
	int before = open_descriptors();

	require_ring(&ring, 4, 0);
	memset(&params, 0, sizeof(params));
	params.ring.entries = 8;
	params.size = 64;
	cr_assert_eq(oring_bufgroup_init(&group, &ring, &params), -EINVAL, "no buffer");
	params.count = 9;
	cr_assert_eq(oring_bufgroup_init(&group, &ring, &params), -EINVAL, "more than entries");
	params.count = 8;
	params.size = 0;
	cr_assert_eq(oring_bufgroup_init(&group, &ring, &params), -EINVAL, "of no size");
	cr_assert_eq(oring_exit(&ring), 0);
	cr_assert_eq(open_descriptors(), before);
}
