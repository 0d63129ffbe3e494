/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flood of forged ClientHellos from the client's side of the lab, and commands that are run there
 * meanwhile.
 */
#ifndef COAX_TEST_HELLOS_H
#define COAX_TEST_HELLOS_H

#include <linux/if_packet.h>
#include <pthread.h>
#include <stdatomic.h>
#include "bpf/hello.h"
#include "harness.h"
#include "lab.h"

static inline uint64_t hellos_clock(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

struct hellos_client {
	const char *command;
	char said[16384];
};

static inline void *hellos_run_client(void *arg)
{
	struct hellos_client *client = arg;
	size_t length;
	FILE *output;

	lab_enter_client();
	output = popen(client->command, "r");
	ASSERT_TRUE(output);
	length = fread(client->said, 1, sizeof(client->said) - 1, output);
	client->said[length] = 0;
	pclose(output);
	return NULL;
}

/* Whether what a command says on the client's side has these words. */
static inline bool hellos_client_says(const char *command, const char *words)
{
	static struct hellos_client client;
	pthread_t thread;

	client.command = command;
	ASSERT_EQ(pthread_create(&thread, NULL, hellos_run_client, &client), 0);
	pthread_join(thread, NULL);
	if (strstr(client.said, words))
		return true;
	HARNESS_SAY("%s says no \"%s\" but: %s", command, words, client.said);
	return false;
}

#define HELLOS_BURST 64

struct hellos_flood {
	atomic_bool stop;
	uint64_t sent;
	useconds_t pause; /* between bursts */
	double seconds;
};

/* A ClientHello from anybody but who is here. */
static inline void hellos_forge(struct frame *frame, uint64_t number)
{
	struct frame_flow flow = lab_flow();
	struct hello hello = hello_default();
	uint8_t request[HELLO_MAX];

	flow.source_ip[0] = 198;
	flow.source_ip[1] = (uint8_t)(18 + (number >> 24 & 1));
	flow.source_ip[2] = (uint8_t)(number >> 16);
	flow.source_ip[3] = (uint8_t)(1 + (number >> 8) % 250);
	flow.source_port = (uint16_t)(20000 + number % 256);
	flow.destination_port = COAX_PORT_SECURE;
	memcpy(hello.random, &number, sizeof(number));
	frame_build(frame, &flow, request, hello_message(request, &hello));
}

static inline int hellos_open_wire(void)
{
	struct sockaddr_ll link = {.sll_family = AF_PACKET,
				   .sll_ifindex = (int)if_nametoindex(LAB_CLIENT)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(bind(fd, (struct sockaddr *)&link, sizeof(link)), 0);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	return fd;
}

static inline void *hellos_pour(void *arg)
{
	static struct frame frames[HELLOS_BURST];
	struct mmsghdr messages[HELLOS_BURST] = {0};
	struct iovec vectors[HELLOS_BURST];
	struct hellos_flood *flood = arg;
	uint64_t begin_ns = hellos_clock(CLOCK_MONOTONIC);
	int fd, count;

	lab_enter_client();
	fd = hellos_open_wire();
	while (!flood->stop) {
		for (int i = 0; i < HELLOS_BURST; i++) {
			hellos_forge(&frames[i], flood->sent + (uint64_t)i);
			vectors[i] = (struct iovec){frames[i].bytes, frames[i].length};
			messages[i].msg_hdr.msg_iov = &vectors[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		count = sendmmsg(fd, messages, HELLOS_BURST, 0);
		if (count > 0)
			flood->sent += (uint64_t)count;
		if (flood->pause)
			usleep(flood->pause);
	}
	flood->seconds = (double)(hellos_clock(CLOCK_MONOTONIC) - begin_ns) / 1e9;
	close(fd);
	return NULL;
}

#endif
