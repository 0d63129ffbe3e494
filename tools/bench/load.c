// SPDX-License-Identifier: BSD-2-Clause
/*
 * A flow is a socket with its requests. A flow that may send is in the queue `ready`, one that
 * waits for replies in `waiting`, in the order in which they began to; it can be in both.
 *
 * Replies mostly come in the order of the requests, so looking at the flows that have waited
 * longest finds them without an epoll instance, whose upkeep costs more than the datagrams with
 * thousands of sockets. Only when those have nothing are all of them polled.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>
#include "client.h"
#include "load.h"

/* So many waiting flows without a reply end a look at them. */
#define SWEEP_MISSES 8
/* So many waiting flows are polled at most. */
#define POLL_MAX 1024
/* How often requests are looked at that may have been lost. */
#define EXPIRY_INTERVAL (BENCH_NSEC / 20)
/* Sleeping ends later than asked for: nearer to the next request than this, wait awake. */
#define SLEEP_SLACK 60000

/* What a mixed load consists of; any other has the first kind alone. */
enum kind {
	USUAL,
	UNCACHED,
	CHANGE,
	KINDS
};

#define OTHER_PATH "/body" /* changes nothing of what is asked for */
#define OTHER_SIZE 64

struct exchange {
	uint64_t due;	/* 0: free */
	uint64_t begun; /* when it was sent */
	uint32_t token;
	uint16_t id;
};

struct flow {
	TAILQ_ENTRY(flow) ready;
	TAILQ_ENTRY(flow) waiting;
	bool is_ready;
	bool is_waiting;
	bool has_sent;
	int fd;
	uint16_t next_id;
	unsigned int in_flight;
	struct exchange *exchanges; /* options.window of them */
};

TAILQ_HEAD(flow_queue, flow);

struct load {
	struct load_options options;
	struct load_counts counts;
	struct flow *flows;
	struct exchange *exchanges;
	struct flow_queue ready;
	struct flow_queue waiting;
	unsigned int in_flight;
	unsigned int untried; /* flows that have not sent yet */
	uint64_t next_due;
	uint64_t next_expiry;
	uint64_t random;
	uint32_t next_name;
	struct bench_request requests[KINDS];
	struct coax_message messages[KINDS];
	uint8_t buffers[KINDS][COAX_MESSAGE_MAX];
	uint32_t turn;
	struct pollfd polled[POLL_MAX];
	struct flow *polled_flows[POLL_MAX];
	struct mmsghdr out[2 * LOAD_WINDOW_MAX];
	struct iovec out_data[2 * LOAD_WINDOW_MAX];
	uint8_t out_buffer[LOAD_WINDOW_MAX][COAX_MESSAGE_MAX];
	struct mmsghdr in[LOAD_WINDOW_MAX];
	struct iovec in_data[LOAD_WINDOW_MAX];
	uint8_t in_buffer[LOAD_WINDOW_MAX][CLIENT_DATAGRAM_MAX];
};

static void set_ready(struct load *load, struct flow *flow, bool ready)
{
	if (flow->is_ready == ready)
		return;
	flow->is_ready = ready;
	if (ready)
		TAILQ_INSERT_TAIL(&load->ready, flow, ready);
	else
		TAILQ_REMOVE(&load->ready, flow, ready);
}

static void set_waiting(struct load *load, struct flow *flow, bool waiting)
{
	if (flow->is_waiting == waiting)
		return;
	flow->is_waiting = waiting;
	if (waiting)
		TAILQ_INSERT_TAIL(&load->waiting, flow, waiting);
	else
		TAILQ_REMOVE(&load->waiting, flow, waiting);
}

static void end_exchange(struct load *load, struct flow *flow, struct exchange *exchange)
{
	exchange->due = 0;
	flow->in_flight--;
	load->in_flight--;
	set_ready(load, flow, true);
	set_waiting(load, flow, flow->in_flight > 0);
}

static enum kind next_kind(struct load *load)
{
	uint32_t turn = load->turn++ % 100;

	if (!load->options.mixed || turn < 95)
		return USUAL;
	return turn < 99 ? UNCACHED : CHANGE;
}

/* A new request of this flow as a datagram. Returns its length. */
static size_t begin_exchange(struct load *load, struct flow *flow, uint8_t *data, uint64_t due,
			     uint64_t now)
{
	struct exchange *exchange = flow->exchanges;
	enum kind kind = next_kind(load);
	size_t length = load->messages[kind].length;

	while (exchange->due)
		exchange++;
	exchange->due = due;
	exchange->begun = now;
	exchange->token = client_random(&load->random);
	exchange->id = flow->next_id++;
	memcpy(data, load->messages[kind].data, length);
	data[2] = (uint8_t)(exchange->id >> 8);
	data[3] = (uint8_t)exchange->id;
	memcpy(data + COAX_HEADER_SIZE, &exchange->token, sizeof(exchange->token));
	if (load->requests[kind].names)
		bench_name_write(data + length - BENCH_NAME_LENGTH,
				 load->next_name++ % load->requests[kind].names);
	flow->in_flight++;
	load->in_flight++;
	load->counts.sent++;
	return length;
}

static void send_all(struct load *load, struct flow *flow, unsigned int count)
{
	unsigned int done = 0;
	int sent;

	while (done < count) {
		sent = sendmmsg(flow->fd, load->out + done, count - done, 0);
		if (sent > 0) {
			done += (unsigned int)sent;
			continue;
		}
		if (sent < 0 && errno == ECONNREFUSED) {
			load->counts.refused++; /* and try again: it was about an earlier one */
			if (++done >= count)
				break;
			continue;
		}
		break; /* not sent is as good as lost */
	}
}

/* Up to `wanted` requests from the flow whose turn it is. Returns how many. */
static unsigned int send_burst(struct load *load, unsigned int wanted, uint64_t due, uint64_t now)
{
	struct flow *flow = TAILQ_FIRST(&load->ready);
	unsigned int room = load->options.window - flow->in_flight, datagrams = 0;
	unsigned int burst = room < wanted ? room : wanted;

	for (unsigned int i = 0; i < burst; i++) {
		const struct iovec datagram = {
			.iov_base = load->out_buffer[i],
			.iov_len = begin_exchange(load, flow, load->out_buffer[i], due ? due : now,
						  now),
		};

		load->out_data[datagrams++] = datagram;
		if (load->options.duplicates &&
		    client_random(&load->random) % 100 < load->options.duplicates) {
			load->out_data[datagrams++] = datagram;
			load->counts.duplicated++;
		}
	}
	if (!flow->has_sent) {
		flow->has_sent = true;
		load->untried--;
	}
	set_ready(load, flow, false);
	set_ready(load, flow, burst < room);
	set_waiting(load, flow, true);
	send_all(load, flow, datagrams);
	return burst;
}

static void send_closed_loop(struct load *load, uint64_t now, uint64_t *packets)
{
	while (*packets && load->in_flight < load->options.in_flight &&
	       !TAILQ_EMPTY(&load->ready)) {
		unsigned int room = load->options.in_flight - load->in_flight;

		*packets -=
			send_burst(load, room < *packets ? room : (unsigned int)*packets, 0, now);
	}
}

static void send_open_loop(struct load *load, uint64_t now, uint64_t *packets)
{
	uint64_t interval = (uint64_t)(1e9 / load->options.rate);

	while (*packets && load->next_due <= now && load->in_flight < load->options.in_flight &&
	       !TAILQ_EMPTY(&load->ready)) {
		*packets -= send_burst(load, 1, load->next_due, now);
		load->next_due += interval;
	}
}

static struct exchange *find_exchange(const struct load *load, const struct flow *flow,
				      const struct coax_message *m)
{
	bool by_id = coax_message_type(m) == COAX_TYPE_RST;
	uint32_t token = 0;

	if (!by_id && coax_message_token_length(m) != sizeof(token))
		return NULL;
	if (!by_id)
		memcpy(&token, coax_message_token(m), sizeof(token));
	for (unsigned int i = 0; i < load->options.window; i++) {
		struct exchange *exchange = &flow->exchanges[i];

		if (!exchange->due)
			continue;
		if (by_id ? exchange->id == coax_message_id(m) : exchange->token == token)
			return exchange;
	}
	return NULL;
}

static void take_reply(struct load *load, struct flow *flow, uint8_t *data, size_t length,
		       uint64_t now)
{
	struct load_counts *counts = &load->counts;
	struct coax_message m = {.data = data, .length = (uint32_t)length};
	struct exchange *exchange;
	enum coax_type type;
	uint8_t code;

	if (length < COAX_HEADER_SIZE || data[0] >> 6 != COAX_VERSION ||
	    length < COAX_HEADER_SIZE + (size_t)coax_message_token_length(&m)) {
		counts->malformed++;
		return;
	}
	type = coax_message_type(&m);
	code = coax_message_code(&m);
	if (type == COAX_TYPE_ACK && code == COAX_EMPTY)
		return; /* the response comes later (RFC 7252 section 5.2.2) */
	if (type == COAX_TYPE_CON)
		client_acknowledge(flow->fd, coax_message_id(&m));
	exchange = find_exchange(load, flow, &m);
	if (!exchange) {
		counts->extra++;
		return;
	}
	if (type == COAX_TYPE_ACK && coax_message_id(&m) != exchange->id) {
		counts->malformed++;
		return;
	}
	counts->code[code]++;
	counts->bytes += length;
	if (type != COAX_TYPE_RST && COAX_CODE_CLASS(code) == 2)
		counts->replies++;
	else
		counts->errors++;
	histogram_add(&counts->latency, now > exchange->due ? now - exchange->due : 0);
	end_exchange(load, flow, exchange);
}

/* Returns whether there was anything. */
static bool receive(struct load *load, struct flow *flow)
{
	int count;
	uint64_t now;

	count = recvmmsg(flow->fd, load->in, load->options.window, MSG_DONTWAIT, NULL);
	if (count < 0) {
		if (errno == ECONNREFUSED)
			load->counts.refused++;
		return false;
	}
	now = bench_now();
	for (int i = 0; i < count; i++)
		take_reply(load, flow, load->in_buffer[i], load->in[i].msg_len, now);
	return count > 0;
}

/* Look at the flows that have waited longest. Returns whether there was anything. */
static bool sweep(struct load *load)
{
	struct flow *flow = TAILQ_FIRST(&load->waiting), *next;
	unsigned int misses = 0;
	bool any = false;

	for (; flow && misses < SWEEP_MISSES; flow = next) {
		next = TAILQ_NEXT(flow, waiting);
		if (receive(load, flow))
			any = true;
		else
			misses++;
	}
	return any;
}

/* Wait for anything to come, until `until`. */
static void wait_for_replies(struct load *load, uint64_t until)
{
	struct timespec timeout = {0};
	struct flow *flow;
	nfds_t count = 0;
	uint64_t now = bench_now();

	for (flow = TAILQ_FIRST(&load->waiting); flow && count < POLL_MAX;
	     flow = TAILQ_NEXT(flow, waiting)) {
		load->polled_flows[count] = flow;
		load->polled[count++] = (struct pollfd){.fd = flow->fd, .events = POLLIN};
	}
	if (until > now) {
		timeout.tv_sec = (time_t)((until - now) / BENCH_NSEC);
		timeout.tv_nsec = (long)((until - now) % BENCH_NSEC);
	}
	if (ppoll(load->polled, count, &timeout, NULL) <= 0)
		return;
	for (nfds_t i = 0; i < count; i++)
		if (load->polled[i].revents)
			receive(load, load->polled_flows[i]);
}

static void expire(struct load *load, uint64_t now)
{
	struct flow *flow, *next;

	if (now < load->next_expiry)
		return;
	load->next_expiry = now + EXPIRY_INTERVAL;
	for (flow = TAILQ_FIRST(&load->waiting); flow; flow = next) {
		next = TAILQ_NEXT(flow, waiting);
		for (unsigned int i = 0; i < load->options.window; i++) {
			struct exchange *exchange = &flow->exchanges[i];

			if (!exchange->due || now - exchange->begun < CLIENT_TIMEOUT)
				continue;
			load->counts.lost++;
			end_exchange(load, flow, exchange);
		}
	}
}

static void receive_some(struct load *load, uint64_t end)
{
	uint64_t until = end < load->next_expiry ? end : load->next_expiry;

	if (sweep(load))
		return;
	if (load->options.rate > 0 && load->next_due < until)
		until = load->next_due;
	if (load->options.rate > 0 && until < bench_now() + SLEEP_SLACK)
		return;
	wait_for_replies(load, until);
}

void load_run(struct load *load, uint64_t end, uint64_t packets)
{
	uint64_t now = bench_now();

	load->next_due = now;
	while (now < end && !bench_stopped && (packets || load->in_flight)) {
		if (load->options.rate > 0)
			send_open_loop(load, now, &packets);
		else
			send_closed_loop(load, now, &packets);
		receive_some(load, end);
		now = bench_now();
		expire(load, now);
	}
}

void load_drain(struct load *load)
{
	uint64_t now = bench_now(), end = now + CLIENT_TIMEOUT + 2 * EXPIRY_INTERVAL;

	while (load->in_flight && now < end && !bench_stopped) {
		if (!sweep(load))
			wait_for_replies(load, load->next_expiry);
		now = bench_now();
		expire(load, now);
	}
}

bool load_went_round(const struct load *load)
{
	return load->untried == 0;
}

void load_reset(struct load *load)
{
	memset(&load->counts, 0, sizeof(load->counts));
}

const struct load_counts *load_counts(const struct load *load)
{
	return &load->counts;
}

static int open_flow(struct load *load, struct flow *flow)
{
	flow->fd = client_connect(&load->options.destination);
	flow->next_id = (uint16_t)client_random(&load->random);
	set_ready(load, flow, true);
	return flow->fd < 0 ? flow->fd : 0;
}

static void set_up_vectors(struct load *load)
{
	for (unsigned int i = 0; i < 2 * LOAD_WINDOW_MAX; i++) {
		load->out[i].msg_hdr.msg_iov = &load->out_data[i];
		load->out[i].msg_hdr.msg_iovlen = 1;
	}
	for (unsigned int i = 0; i < LOAD_WINDOW_MAX; i++) {
		load->in_data[i].iov_base = load->in_buffer[i];
		load->in_data[i].iov_len = CLIENT_DATAGRAM_MAX;
		load->in[i].msg_hdr.msg_iov = &load->in_data[i];
		load->in[i].msg_hdr.msg_iovlen = 1;
	}
}

static int build_requests(struct load *load)
{
	const struct bench_request *usual = &load->options.request;
	int error = 0;

	load->requests[USUAL] = *usual;
	load->requests[UNCACHED] = *usual;
	load->requests[UNCACHED].names = BENCH_NAMES_MAX;
	load->requests[UNCACHED].name_query = true;
	load->requests[CHANGE] = *usual;
	load->requests[CHANGE].method = COAX_PUT;
	load->requests[CHANGE].path = OTHER_PATH;
	load->requests[CHANGE].payload_size = OTHER_SIZE;
	for (int i = 0; i < KINDS && !error; i++)
		error = bench_request_build(&load->requests[i], &load->messages[i],
					    load->buffers[i], sizeof(load->buffers[i]));
	return error;
}

int load_open(struct load **result, const struct load_options *options)
{
	struct load *load;
	int error;

	load = calloc(1, sizeof(*load));
	if (!load)
		return -ENOMEM;
	load->options = *options;
	TAILQ_INIT(&load->ready);
	TAILQ_INIT(&load->waiting);
	load->untried = options->sockets;
	load->flows = calloc(options->sockets, sizeof(*load->flows));
	load->exchanges =
		calloc((size_t)options->sockets * options->window, sizeof(*load->exchanges));
	error = load->flows && load->exchanges ? 0 : -ENOMEM;
	if (error)
		goto out;
	for (unsigned int i = 0; i < options->sockets; i++) {
		load->flows[i].fd = -1;
		load->flows[i].exchanges = load->exchanges + (size_t)i * options->window;
	}
	load->random = client_seed();
	error = build_requests(load);
	if (error)
		goto out;
	set_up_vectors(load);
	for (unsigned int i = 0; i < options->sockets && !error; i++)
		error = open_flow(load, &load->flows[i]);
out:
	if (error) {
		load_close(load);
		return error;
	}
	*result = load;
	return 0;
}

void load_close(struct load *load)
{
	for (unsigned int i = 0; load->flows && i < load->options.sockets; i++)
		if (load->flows[i].fd >= 0)
			close(load->flows[i].fd);
	free(load->flows);
	free(load->exchanges);
	free(load);
}
