/* SPDX-License-Identifier: MIT */
/*
 * channel - fibers that pass items on: bounded, in order, closed or shut down
 *
 *	fiber-channel [PRODUCERS CONSUMERS ITEMS CAPACITY]
 *
 * First what a channel does, step by step. Then PRODUCERS (3) send ITEMS (1000) each to
 * CONSUMERS (2) through CAPACITY (4) places; the last that sends closes the channel.
 */
#include <stdio.h>

#include "fiber_sync.h"
#include "program.h"

#define MOST_FIBERS   32UL
#define MOST_ITEMS    1000000UL
#define MOST_CAPACITY 64UL

struct item {
	uint32_t producer, number;
};

static struct item places[MOST_CAPACITY];
static struct fiber_channel channel;
static unsigned long producers = 3, consumers = 2, items = 1000, capacity = 4;
static unsigned long sending, received, out_of_order;
static uint64_t sum;

/* ---- step by step ---- */

static intptr_t send_three(void *unused)
{
	int number, ret;

	(void)unused;
	for (number = 1; number <= 3; number++) {
		ret = fiber_channel_send(&channel, &number, FIBER_FOREVER);
		printf("sent %d: %s\n", number, program_words(ret));
	}
	return 0;
}

static void receive(void)
{
	int number = 0, ret = fiber_channel_recv(&channel, &number, FIBER_FOREVER);

	if (ret < 0)
		printf("received none: %s\n", program_words(ret));
	else
		printf("received %d\n", number);
}

static void show_order(void)
{
	fiber_handle sender;
	int number = 4;

	fiber_channel_init(&channel, places, sizeof(int), 2);
	fiber_spawn(send_three, NULL, &sender);
	fiber_yield();
	printf("two places are taken\n");
	receive();
	fiber_await(sender, NULL);
	printf("fourth, not waiting: %s\n",
	       program_words(fiber_channel_send(&channel, &number, 0)));
	fiber_channel_close(&channel);
	printf("closed, sent: %s\n",
	       program_words(fiber_channel_send(&channel, &number, FIBER_FOREVER)));
	receive();
	receive();
	receive();
}

static intptr_t wait_to_send(void *name)
{
	int number = 0, ret = fiber_channel_send(&channel, &number, FIBER_FOREVER);

	printf("%s: %s\n", (const char *)name, program_words(ret));
	return ret;
}

static intptr_t wait_to_receive(void *name)
{
	int number, ret = fiber_channel_recv(&channel, &number, FIBER_FOREVER);

	printf("%s: %s\n", (const char *)name, program_words(ret));
	return ret;
}

static void show_shutdown(void)
{
	int number = 0;

	fiber_channel_init(&channel, places, sizeof(int), 1);
	fiber_channel_send(&channel, &number, FIBER_FOREVER);
	fiber_spawn(wait_to_send, "sender a", NULL);
	fiber_spawn(wait_to_send, "sender b", NULL);
	fiber_yield();
	fiber_channel_shutdown(&channel);
	fiber_yield();
	wait_to_receive("what was in it");
	fiber_channel_init(&channel, places, sizeof(int), 1);
	fiber_spawn(wait_to_receive, "receiver a", NULL);
	fiber_spawn(wait_to_receive, "receiver b", NULL);
	fiber_yield();
	fiber_channel_shutdown(&channel);
	fiber_yield();
}

/* ---- many ---- */

static intptr_t produce(void *argument)
{
	struct item item = { .producer = (uint32_t)(uintptr_t)argument };

	while (item.number < items && fiber_channel_send(&channel, &item, FIBER_FOREVER) == 0)
		item.number++;
	if (--sending == 0)
		fiber_channel_close(&channel);
	return 0;
}

/* Of one producer, each consumer sees what it sees in order. */
static intptr_t consume(void *unused)
{
	uint32_t next[MOST_FIBERS] = { 0 };
	struct item item;

	(void)unused;
	while (fiber_channel_recv(&channel, &item, FIBER_FOREVER) == 0) {
		if (item.number < next[item.producer])
			out_of_order++;
		next[item.producer] = item.number + 1;
		sum += item.number;
		received++;
	}
	return 0;
}

static intptr_t show(void *unused)
{
	unsigned long i;

	(void)unused;
	show_order();
	show_shutdown();
	fiber_channel_init(&channel, places, sizeof(struct item), (uint32_t)capacity);
	sending = producers;
	for (i = 0; i < consumers; i++)
		fiber_spawn(consume, NULL, NULL);
	for (i = 0; i < producers; i++)
		fiber_spawn(produce, (void *)i, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	struct fiber_config config = { .fibers = 2 * MOST_FIBERS + 1 };
	int status;

	if (argc != 1 && argc != 5)
		return program_usage(stderr,
				     "usage: fiber-channel [PRODUCERS CONSUMERS ITEMS CAPACITY]\n");
	if (argc == 5) {
		producers = program_number("channel", "PRODUCERS", argv[1], 1, MOST_FIBERS);
		consumers = program_number("channel", "CONSUMERS", argv[2], 1, MOST_FIBERS);
		items = program_number("channel", "ITEMS", argv[3], 1, MOST_ITEMS);
		capacity = program_number("channel", "CAPACITY", argv[4], 1, MOST_CAPACITY);
	}
	status = program_begin("channel", &config);
	if (status != 0)
		return status;
	fiber_spawn(show, NULL, NULL);
	status = program_run();
	printf("many: received %lu, sum %llu, out of order %lu\n", received,
	       (unsigned long long)sum, out_of_order);
	return status;
}
