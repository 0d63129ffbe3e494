// SPDX-License-Identifier: BSD-2-Clause
/*
 * ClientHellos without a cookie, each with a random of its own, as fast as they can be sent; and
 * the HelloVerifyRequests that come of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hellos.h"

#define SOCKETS	   16
#define BURST	   32
#define HELLO_MAX  512
#define ANSWER_MAX 128
/* Holds what comes while others are looked at. */
#define RECEIVE_BUFFER (4 << 20)
/* What is under way at the end arrives meanwhile. */
#define LATE_MS 100

/* In a datagram with one handshake message (RFC 6347 sections 4.1 and 4.2.2). */
#define AT_TYPE		     13
#define AT_RANDOM	     27
#define HELLO_VERIFY_REQUEST 3

struct flood {
	int sockets[SOCKETS];
	uint64_t random;
	struct mmsghdr out[BURST];
	struct iovec out_data[BURST];
	uint8_t hellos[BURST][HELLO_MAX];
	struct mmsghdr in[BURST];
	struct iovec in_data[BURST];
	uint8_t answers[BURST][ANSWER_MAX];
};

/* What OpenSSL says first. Returns its length, 0: nothing that is usable. */
static size_t make_hello(const struct secure_options *options, uint8_t out[HELLO_MAX])
{
	SSL_CTX *context = secure_context(options, false);
	SSL *ssl = context ? SSL_new(context) : NULL;
	BIO *in = BIO_new(BIO_s_mem()), *wire = BIO_new(BIO_s_mem());
	int length = 0;

	if (ssl && in && wire) {
		SSL_set_bio(ssl, in, wire);
		SSL_set_mtu(ssl, SECURE_MTU);
		SSL_connect(ssl);
		length = BIO_read(wire, out, HELLO_MAX);
	} else {
		BIO_free(in);
		BIO_free(wire);
	}
	SSL_free(ssl);
	SSL_CTX_free(context);
	return length > AT_RANDOM + 32 && length < HELLO_MAX ? (size_t)length : 0;
}

static void set_up(struct flood *flood, const uint8_t *hello, size_t length)
{
	for (unsigned int i = 0; i < BURST; i++) {
		memcpy(flood->hellos[i], hello, length);
		flood->out_data[i] =
			(struct iovec){.iov_base = flood->hellos[i], .iov_len = length};
		flood->out[i].msg_hdr.msg_iov = &flood->out_data[i];
		flood->out[i].msg_hdr.msg_iovlen = 1;
		flood->in_data[i] =
			(struct iovec){.iov_base = flood->answers[i], .iov_len = ANSWER_MAX};
		flood->in[i].msg_hdr.msg_iov = &flood->in_data[i];
		flood->in[i].msg_hdr.msg_iovlen = 1;
	}
}

static int open_sockets(struct flood *flood, const union coax_address *destination)
{
	const int size = RECEIVE_BUFFER;

	for (unsigned int i = 0; i < SOCKETS; i++) {
		flood->sockets[i] = client_connect(destination);
		if (flood->sockets[i] < 0)
			return flood->sockets[i];
		if (setsockopt(flood->sockets[i], SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
			setsockopt(flood->sockets[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	}
	return 0;
}

static uint64_t send_burst(struct flood *flood, int fd, uint64_t wanted)
{
	unsigned int count = wanted < BURST ? (unsigned int)wanted : BURST;
	int sent;

	for (unsigned int i = 0; i < count; i++) {
		uint32_t random = client_random(&flood->random);

		memcpy(flood->hellos[i] + AT_RANDOM, &random, sizeof(random));
	}
	sent = sendmmsg(fd, flood->out, count, 0);
	return sent > 0 ? (uint64_t)sent : 0;
}

static uint64_t take_answers(struct flood *flood, int fd)
{
	uint64_t answers = 0;
	int count;

	do {
		count = recvmmsg(fd, flood->in, BURST, MSG_DONTWAIT, NULL);
		for (int i = 0; i < count; i++)
			answers += flood->in[i].msg_len > AT_TYPE &&
				   flood->answers[i][AT_TYPE] == HELLO_VERIFY_REQUEST;
	} while (count == BURST);
	return answers;
}

static void run(struct flood *flood, uint64_t end, uint64_t count, struct hellos_counts *counts)
{
	for (unsigned int i = 0; counts->sent < count && bench_now() < end && !bench_stopped; i++) {
		int fd = flood->sockets[i % SOCKETS];

		counts->sent += send_burst(flood, fd, count - counts->sent);
		counts->answered += take_answers(flood, fd);
	}
	bench_sleep_ms(LATE_MS);
	for (unsigned int i = 0; i < SOCKETS; i++)
		counts->answered += take_answers(flood, flood->sockets[i]);
}

int hellos_run(const struct secure_options *options, uint64_t end, uint64_t count,
	       struct hellos_counts *counts)
{
	struct flood *flood = calloc(1, sizeof(*flood));
	uint8_t hello[HELLO_MAX];
	size_t length = make_hello(options, hello);
	int error = length ? 0 : -EINVAL;

	memset(counts, 0, sizeof(*counts));
	if (!flood)
		return -ENOMEM;
	memset(flood->sockets, -1, sizeof(flood->sockets));
	flood->random = client_seed();
	if (!error)
		error = open_sockets(flood, &options->destination);
	if (!error) {
		set_up(flood, hello, length);
		run(flood, end, count, counts);
	}
	for (unsigned int i = 0; i < SOCKETS; i++)
		if (flood->sockets[i] >= 0)
			close(flood->sockets[i]);
	free(flood);
	return error;
}
