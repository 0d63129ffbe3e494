// SPDX-License-Identifier: BSD-2-Clause
/*
 * Answers mostly come in the order of the requests. So a look at the transfers that have waited
 * longest finds them, and costs less than polling all; only when those have nothing are they
 * polled.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#include <coax/block.h>
#include <coax/option.h>
#include "transfer.h"

/* A message without an answer is sent so often; then the transfer has failed. */
#define TRIES_MAX 4
/* So many waiting transfers without an answer end a look at them. */
#define SWEEP_MISSES 8
/* How often messages are looked at that may have been lost. */
#define EXPIRY_INTERVAL (BENCH_NSEC / 20)

struct transfer {
	TAILQ_ENTRY(transfer) waiting; /* while active */
	int fd;
	bool active;
	uint8_t exponent;
	uint16_t id;
	uint32_t token;
	unsigned int tries;
	uint64_t sent_at;
	size_t offset; /* of the block that is under way */
};

TAILQ_HEAD(transfer_queue, transfer);

struct transfers {
	struct transfer_options options;
	struct transfer_counts counts;
	struct transfer *all;
	struct pollfd *polled;	       /* beside `all` */
	struct transfer_queue waiting; /* the active ones, by when they sent last */
	unsigned int active;
	uint64_t left; /* that may still begin */
	uint64_t next_expiry;
	uint64_t random;
	struct coax_message request; /* what all requests begin with */
	uint8_t request_buffer[COAX_MESSAGE_MAX];
};

static size_t block_length(const struct transfers *transfers, const struct transfer *transfer)
{
	size_t size = 16u << transfer->exponent, left = transfers->options.size - transfer->offset;

	return size < left ? size : left;
}

static bool is_last(const struct transfers *transfers, const struct transfer *transfer)
{
	return transfer->offset + block_length(transfers, transfer) == transfers->options.size;
}

static int add_block(const struct transfers *transfers, const struct transfer *transfer,
		     struct coax_message *m)
{
	const struct transfer_options *o = &transfers->options;
	const struct coax_block block = {
		.number = (uint32_t)(transfer->offset >> (transfer->exponent + 4)),
		.more = o->put && !is_last(transfers, transfer),
		.exponent = transfer->exponent,
	};
	int error;

	if (!o->put)
		return coax_message_add_block(m, COAX_BLOCK2, &block);
	error = coax_message_add_block(m, COAX_BLOCK1, &block);
	if (!error)
		error = coax_message_add_uint(m, COAX_SIZE1, (uint32_t)o->size);
	if (!error)
		error = coax_message_set_payload(m, o->body + transfer->offset,
						 block_length(transfers, transfer));
	return error;
}

/* The same message each time until the transfer has moved on. */
static void send_request(struct transfers *transfers, struct transfer *transfer, uint64_t now)
{
	uint8_t buffer[COAX_MESSAGE_MAX];
	struct coax_message m = transfers->request;

	m.data = buffer;
	memcpy(buffer, transfers->request.data, m.length);
	coax_message_set_id(&m, transfer->id);
	memcpy(buffer + COAX_HEADER_SIZE, &transfer->token, sizeof(transfer->token));
	TAILQ_REMOVE(&transfers->waiting, transfer, waiting);
	TAILQ_INSERT_TAIL(&transfers->waiting, transfer, waiting);
	transfer->tries++;
	transfer->sent_at = now;
	/* There is room: transfers_open() has tried. Not sent is as good as lost. */
	if (!add_block(transfers, transfer, &m) && send(transfer->fd, m.data, m.length, 0) < 0 &&
	    errno == ECONNREFUSED)
		transfers->counts.refused++;
}

static void send_next(struct transfers *transfers, struct transfer *transfer, uint64_t now)
{
	transfer->id++;
	transfer->token = client_random(&transfers->random);
	transfer->tries = 0;
	send_request(transfers, transfer, now);
}

static void begin_transfer(struct transfers *transfers, struct transfer *transfer, uint64_t now)
{
	if (!transfers->left)
		return;
	transfers->left--;
	transfers->active++;
	transfer->active = true;
	TAILQ_INSERT_TAIL(&transfers->waiting, transfer, waiting);
	transfer->offset = 0;
	transfer->exponent = transfers->options.exponent;
	send_next(transfers, transfer, now);
}

static void end_transfer(struct transfers *transfers, struct transfer *transfer, uint64_t *count,
			 uint64_t now)
{
	(*count)++;
	transfer->active = false;
	TAILQ_REMOVE(&transfers->waiting, transfer, waiting);
	transfers->active--;
	begin_transfer(transfers, transfer, now);
}

static void fail(struct transfers *transfers, struct transfer *transfer, uint64_t now)
{
	end_transfer(transfers, transfer, &transfers->counts.failed, now);
}

static void fail_wrong(struct transfers *transfers, struct transfer *transfer, uint64_t now)
{
	transfers->counts.wrong++;
	fail(transfers, transfer, now);
}

static void move_on(struct transfers *transfers, struct transfer *transfer, size_t length,
		    uint64_t now)
{
	transfers->counts.blocks++;
	transfers->counts.bytes += length;
	transfer->offset += length;
	if (transfer->offset == transfers->options.size)
		end_transfer(transfers, transfer, &transfers->counts.completed, now);
	else
		send_next(transfers, transfer, now);
}

/* A 2.xx to a GET: is it the block that was asked for, with the right bytes? */
static void take_block(struct transfers *transfers, struct transfer *transfer,
		       const struct coax_message *m, uint64_t now)
{
	const struct transfer_options *o = &transfers->options;
	struct coax_block block = {.exponent = transfer->exponent};
	const uint8_t *payload;
	size_t length;
	bool more;

	payload = coax_message_payload(m, &length);
	if (coax_message_find_block(m, COAX_BLOCK2, &block) < 0 ||
	    block.exponent > transfer->exponent || coax_block_offset(&block) != transfer->offset ||
	    !length || length > o->size - transfer->offset) {
		fail_wrong(transfers, transfer, now);
		return;
	}
	more = transfer->offset + length < o->size;
	if (block.more != more || (more && length != coax_block_size(&block)) ||
	    memcmp(payload, o->body + transfer->offset, length) != 0) {
		fail_wrong(transfers, transfer, now);
		return;
	}
	transfer->exponent = block.exponent;
	move_on(transfers, transfer, length, now);
}

/* A 2.xx to a PUT: 2.31 until the last block, and another one to that. */
static void take_continue(struct transfers *transfers, struct transfer *transfer,
			  const struct coax_message *m, uint64_t now)
{
	bool last = is_last(transfers, transfer);
	size_t length = block_length(transfers, transfer);
	struct coax_block block;

	if (last == (coax_message_code(m) == COAX_CONTINUE)) {
		fail_wrong(transfers, transfer, now);
		return;
	}
	if (coax_message_find_block(m, COAX_BLOCK1, &block) == 1 &&
	    block.exponent < transfer->exponent)
		transfer->exponent = block.exponent;
	move_on(transfers, transfer, length, now);
}

static void take_reply(struct transfers *transfers, struct transfer *transfer, uint8_t *data,
		       size_t length, uint64_t now)
{
	struct coax_message m;
	enum coax_type type;
	uint8_t code;

	if (coax_message_parse(&m, data, length)) {
		transfers->counts.malformed++;
		return;
	}
	type = coax_message_type(&m);
	code = coax_message_code(&m);
	if (type == COAX_TYPE_ACK && code == COAX_EMPTY)
		return; /* the response comes later (RFC 7252 section 5.2.2) */
	if (type == COAX_TYPE_CON)
		client_acknowledge(transfer->fd, coax_message_id(&m));
	if (!transfer->active ||
	    (type == COAX_TYPE_RST ? coax_message_id(&m) != transfer->id
				   : coax_message_token_length(&m) != sizeof(transfer->token) ||
					     memcmp(coax_message_token(&m), &transfer->token,
						    sizeof(transfer->token)) != 0)) {
		transfers->counts.extra++;
		return;
	}
	if (COAX_CODE_CLASS(code) != 2) {
		transfers->counts.error_code = code;
		fail(transfers, transfer, now);
	} else if (transfers->options.put) {
		take_continue(transfers, transfer, &m, now);
	} else {
		take_block(transfers, transfer, &m, now);
	}
}

/* Returns whether there was anything. */
static bool receive(struct transfers *transfers, struct transfer *transfer)
{
	uint8_t data[CLIENT_DATAGRAM_MAX];
	ssize_t length;

	length = recv(transfer->fd, data, sizeof(data), MSG_DONTWAIT);
	if (length >= 0)
		take_reply(transfers, transfer, data, (size_t)length, bench_now());
	else if (errno == ECONNREFUSED)
		transfers->counts.refused++;
	return length >= 0;
}

/* Look at those that have waited longest. Returns whether there was anything. */
static bool sweep(struct transfers *transfers)
{
	struct transfer *transfer = TAILQ_FIRST(&transfers->waiting), *next;
	unsigned int misses = 0, looks = transfers->active;
	bool any = false;

	for (; transfer && looks && misses < SWEEP_MISSES; transfer = next, looks--) {
		next = TAILQ_NEXT(transfer, waiting);
		if (receive(transfers, transfer))
			any = true;
		else
			misses++;
	}
	return any;
}

static void wait_for_answers(struct transfers *transfers)
{
	unsigned int sockets = transfers->options.sockets;

	if (poll(transfers->polled, sockets, (int)(EXPIRY_INTERVAL * 1000 / BENCH_NSEC)) <= 0)
		return;
	for (unsigned int i = 0; i < sockets; i++)
		if (transfers->polled[i].revents)
			receive(transfers, &transfers->all[i]);
}

static void repeat_lost(struct transfers *transfers, uint64_t now)
{
	if (now < transfers->next_expiry)
		return;
	transfers->next_expiry = now + EXPIRY_INTERVAL;
	for (unsigned int i = 0; i < transfers->options.sockets; i++) {
		struct transfer *transfer = &transfers->all[i];

		if (!transfer->active || now - transfer->sent_at < CLIENT_TIMEOUT)
			continue;
		if (transfer->tries == TRIES_MAX) {
			fail(transfers, transfer, now);
			continue;
		}
		transfers->counts.repeated++;
		send_request(transfers, transfer, now);
	}
}

void transfers_run(struct transfers *transfers, uint64_t end_at, uint64_t count)
{
	uint64_t now = bench_now();

	transfers->left = count;
	for (unsigned int i = 0; i < transfers->options.sockets; i++)
		if (!transfers->all[i].active)
			begin_transfer(transfers, &transfers->all[i], now);
	while (transfers->active && now < end_at && !transfers->counts.wrong && !bench_stopped) {
		if (!sweep(transfers))
			wait_for_answers(transfers);
		now = bench_now();
		repeat_lost(transfers, now);
	}
}

void transfers_reset(struct transfers *transfers)
{
	memset(&transfers->counts, 0, sizeof(transfers->counts));
}

const struct transfer_counts *transfers_counts(const struct transfers *transfers)
{
	return &transfers->counts;
}

static int open_transfer(struct transfers *transfers, unsigned int i)
{
	struct transfer *transfer = &transfers->all[i];

	transfer->fd = client_connect(&transfers->options.destination);
	if (transfer->fd < 0)
		return transfer->fd;
	transfer->id = (uint16_t)client_random(&transfers->random);
	transfers->polled[i] = (struct pollfd){.fd = transfer->fd, .events = POLLIN};
	return 0;
}

/* Whether the largest request fits. */
static int try_request(struct transfers *transfers)
{
	const struct transfer first = {.exponent = transfers->options.exponent};
	struct coax_message m = transfers->request;
	uint8_t buffer[COAX_MESSAGE_MAX];

	m.data = buffer;
	memcpy(buffer, transfers->request.data, m.length);
	return add_block(transfers, &first, &m);
}

int transfers_open(struct transfers **result, const struct transfer_options *options)
{
	const struct bench_request request = {.path = options->path,
					      .method = options->put ? COAX_PUT : COAX_GET,
					      .type = COAX_TYPE_CON,
					      .token_length = sizeof(uint32_t)};
	struct transfers *transfers;
	int error;

	transfers = calloc(1, sizeof(*transfers));
	if (!transfers)
		return -ENOMEM;
	transfers->options = *options;
	transfers->random = client_seed();
	TAILQ_INIT(&transfers->waiting);
	transfers->all = calloc(options->sockets, sizeof(*transfers->all));
	transfers->polled = calloc(options->sockets, sizeof(*transfers->polled));
	error = transfers->all && transfers->polled ? 0 : -ENOMEM;
	for (unsigned int i = 0; transfers->all && i < options->sockets; i++)
		transfers->all[i].fd = -1;
	if (!error)
		error = bench_request_build(&request, &transfers->request,
					    transfers->request_buffer,
					    sizeof(transfers->request_buffer));
	if (!error)
		error = try_request(transfers);
	for (unsigned int i = 0; i < options->sockets && !error; i++)
		error = open_transfer(transfers, i);
	if (error) {
		transfers_close(transfers);
		return error;
	}
	*result = transfers;
	return 0;
}

void transfers_close(struct transfers *transfers)
{
	for (unsigned int i = 0; transfers->all && i < transfers->options.sockets; i++)
		if (transfers->all[i].fd >= 0)
			close(transfers->all[i].fd);
	free(transfers->all);
	free(transfers->polled);
	free(transfers);
}
