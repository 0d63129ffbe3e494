// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who still waits for something is looked at in turn, again and again. Neither epoll nor poll: to
 * wake up who waits in those is work for the sender, and would be charged to the server.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <coax/option.h>
#include "watch.h"

/* So many observers register at a time. */
#define REGISTERING_MAX 64
/* A request without an answer is sent so often. */
#define TRIES_MAX 4
/* A change may be lost among acknowledgements that are more than the server's socket can hold. */
#define CHANGE_REPEAT (BENCH_NSEC / 5)
/* Whoever has not registered or deregistered by then does not. */
#define REGISTER_PATIENCE (20 * BENCH_NSEC)
/* After so long without anything new, sleep a little between two looks. */
#define SILENCE (BENCH_NSEC / 500)

/* Each observer is one, and who changes the state is another. */
struct party {
	int fd;
	bool asking; /* a request of it waits for its answer */
	bool good;   /* the answer to the last one was as it should be */
	bool observes;
	uint16_t id;
	uint32_t token; /* an observer keeps it; it names the observation */
	unsigned int tries;
	uint64_t sent_at;
	uint32_t seen; /* number of the last change that it heard of */
};

struct watch {
	struct watch_options options;
	struct watch_counts counts;
	struct party *observers;
	struct party changer;
	unsigned int asking; /* of all parties */
	unsigned int left;   /* observers that have not heard of the present change */
	uint32_t change;     /* its number */
	uint64_t last_at;    /* when the last one heard of it */
	uint64_t active_at;  /* when anything was last sent or received */
	uint64_t random;
	struct coax_message get;
	struct coax_message put;
	uint8_t get_buffer[COAX_MESSAGE_MAX];
	uint8_t put_buffer[COAX_MESSAGE_MAX];
};

static void send_message(struct watch *watch, struct party *party, const struct coax_message *m,
			 uint64_t now)
{
	party->tries++;
	party->sent_at = now;
	watch->active_at = now;
	/* Not sent is as good as lost. */
	if (send(party->fd, m->data, m->length, 0) < 0 && errno == ECONNREFUSED)
		watch->counts.refused++;
}

/* The GET or PUT that a party is at, the same each time. */
static void send_request(struct watch *watch, struct party *party, uint64_t now)
{
	struct coax_message *m = party == &watch->changer ? &watch->put : &watch->get;

	coax_message_set_id(m, party->id);
	memcpy(m->data + COAX_HEADER_SIZE, &party->token, sizeof(party->token));
	send_message(watch, party, m, now);
}

static void ask(struct watch *watch, struct party *party, uint64_t now)
{
	party->id++;
	party->tries = 0;
	party->good = false;
	if (!party->asking)
		watch->asking++;
	party->asking = true;
	send_request(watch, party, now);
}

static void end_asking(struct watch *watch, struct party *party, bool good)
{
	party->asking = false;
	party->good = good;
	watch->asking--;
}

static void take_notification(struct watch *watch, struct party *party,
			      const struct coax_message *m, uint64_t now)
{
	struct watch_counts *counts = &watch->counts;
	char number[WATCH_PAYLOAD_MIN + 1] = "";
	const uint8_t *payload;
	size_t length;

	if (COAX_CODE_CLASS(coax_message_code(m)) != 2) {
		counts->ended++;
		return;
	}
	payload = coax_message_payload(m, &length);
	if (length != watch->options.payload_size) {
		counts->malformed++;
		return;
	}
	memcpy(number, payload, WATCH_PAYLOAD_MIN);
	if (strtoul(number, NULL, 10) != watch->change || party->seen == watch->change) {
		counts->stale++;
		return;
	}
	counts->notifications++;
	if (coax_message_type(m) == COAX_TYPE_CON)
		counts->confirmable++;
	party->seen = watch->change;
	watch->last_at = now;
	watch->left--;
}

static void take_answer(struct watch *watch, struct party *party, const struct coax_message *m)
{
	bool good = COAX_CODE_CLASS(coax_message_code(m)) == 2;
	struct coax_option option;

	if (party->observes && !coax_message_find(m, COAX_OBSERVE, &option))
		good = false;
	party->seen = watch->change;
	end_asking(watch, party, good);
}

static void take(struct watch *watch, struct party *party, const uint8_t *data, size_t length,
		 uint64_t now)
{
	struct coax_message m;
	enum coax_type type;

	if (coax_message_parse(&m, data, length)) {
		watch->counts.malformed++;
		return;
	}
	type = coax_message_type(&m);
	if (type == COAX_TYPE_ACK && coax_message_code(&m) == COAX_EMPTY)
		return; /* the response comes later (RFC 7252 section 5.2.2) */
	if (type == COAX_TYPE_CON)
		client_acknowledge(party->fd, coax_message_id(&m));
	if (type == COAX_TYPE_RST) {
		if (party->asking && coax_message_id(&m) == party->id)
			end_asking(watch, party, false);
		return;
	}
	if (coax_message_token_length(&m) != sizeof(party->token) ||
	    memcmp(coax_message_token(&m), &party->token, sizeof(party->token)) != 0)
		watch->counts.extra++;
	else if (party->asking)
		take_answer(watch, party, &m);
	else if (party->observes)
		take_notification(watch, party, &m, now);
	else
		watch->counts.extra++;
}

static void receive_one(struct watch *watch, struct party *party)
{
	uint8_t data[CLIENT_DATAGRAM_MAX];
	ssize_t length;

	length = recv(party->fd, data, sizeof(data), MSG_DONTWAIT);
	if (length >= 0) {
		watch->active_at = bench_now();
		take(watch, party, data, (size_t)length, watch->active_at);
	} else if (errno == ECONNREFUSED) {
		watch->counts.refused++;
	}
}

/* Take what has come. Returns the time. */
static uint64_t receive(struct watch *watch)
{
	uint64_t now;

	if (watch->changer.asking)
		receive_one(watch, &watch->changer);
	for (unsigned int i = 0; i < watch->options.observers; i++) {
		struct party *party = &watch->observers[i];

		if (party->asking || (party->observes && party->seen != watch->change))
			receive_one(watch, party);
	}
	now = bench_now();
	if (now - watch->active_at > SILENCE)
		bench_sleep_ms(1);
	return now;
}

/* Send again what has not been answered for long, or give it up. */
static void repeat_lost(struct watch *watch, struct party *party, uint64_t timeout, uint64_t now)
{
	if (!party->asking || now - party->sent_at < timeout)
		return;
	if (party->tries < TRIES_MAX)
		send_request(watch, party, now);
	else
		end_asking(watch, party, false);
}

/* A message whose Observe option is none, or the number given. */
static int build(struct watch *watch, struct coax_message *m, uint8_t *buffer, uint8_t method,
		 int observe)
{
	const struct bench_request request = {.path = watch->options.path,
					      .method = method,
					      .type = COAX_TYPE_CON,
					      .token_length = sizeof(uint32_t)};
	int error = bench_request_build(&request, m, buffer, COAX_MESSAGE_MAX);

	if (!error && observe >= 0)
		error = coax_message_add_uint(m, COAX_OBSERVE, (uint32_t)observe);
	return error;
}

/* The next state: the number of the change, and something behind it. */
static int write_state(struct watch *watch)
{
	char payload[COAX_PAYLOAD_MAX];

	memset(payload, 'x', sizeof(payload));
	snprintf(payload, sizeof(payload), "%0*u", WATCH_PAYLOAD_MIN, ++watch->change);
	payload[WATCH_PAYLOAD_MIN] = 'x';
	return coax_message_set_payload(&watch->put, payload, watch->options.payload_size);
}

static void change(struct watch *watch)
{
	uint64_t begun = bench_now(), now = begun;

	/* It fitted when the sockets were opened. */
	(void)write_state(watch);
	watch->changer.token = client_random(&watch->random);
	watch->left = watch->options.observers;
	ask(watch, &watch->changer, now);
	while ((watch->left || watch->changer.asking) && now < begun + CLIENT_TIMEOUT &&
	       !bench_stopped) {
		now = receive(watch);
		repeat_lost(watch, &watch->changer, CHANGE_REPEAT, now);
	}
	if (watch->changer.asking)
		end_asking(watch, &watch->changer, false);
	watch->counts.changes++;
	watch->counts.missed += watch->left;
	if (watch->left)
		return;
	watch->counts.completed++;
	histogram_add(&watch->counts.to_last, watch->last_at - begun);
}

void watch_run(struct watch *watch, uint64_t end, uint64_t changes)
{
	for (; changes && bench_now() < end && !bench_stopped; changes--)
		change(watch);
}

bool watch_prepare(struct watch *watch)
{
	uint64_t now = bench_now();

	(void)write_state(watch);
	ask(watch, &watch->changer, now);
	while (watch->changer.asking && !bench_stopped) {
		now = receive(watch);
		repeat_lost(watch, &watch->changer, CLIENT_TIMEOUT, now);
	}
	return watch->changer.good;
}

unsigned int watch_register(struct watch *watch, bool wish)
{
	unsigned int count = watch->options.observers, begun = 0, good = 0;
	uint64_t now = bench_now(), end = now + REGISTER_PATIENCE;

	/* RFC 7641 section 2: 0 registers, 1 deregisters. It was built once already. */
	(void)build(watch, &watch->get, watch->get_buffer, COAX_GET, wish ? 0 : 1);
	while ((begun < count || watch->asking) && now < end && !bench_stopped) {
		for (; begun < count && watch->asking < REGISTERING_MAX; begun++) {
			watch->observers[begun].observes = wish;
			ask(watch, &watch->observers[begun], now);
		}
		now = receive(watch);
		for (unsigned int i = 0; i < begun; i++)
			repeat_lost(watch, &watch->observers[i], CLIENT_TIMEOUT, now);
	}
	for (unsigned int i = 0; i < begun; i++) {
		if (watch->observers[i].asking)
			end_asking(watch, &watch->observers[i], false);
		good += watch->observers[i].good;
	}
	return good;
}

void watch_reset(struct watch *watch)
{
	memset(&watch->counts, 0, sizeof(watch->counts));
}

const struct watch_counts *watch_counts(const struct watch *watch)
{
	return &watch->counts;
}

static int open_party(struct watch *watch, struct party *party, int fd)
{
	if (fd < 0)
		return fd;
	party->fd = fd;
	party->token = client_random(&watch->random);
	party->id = (uint16_t)client_random(&watch->random);
	return 0;
}

static int open_changer(struct watch *watch)
{
	const struct watch_options *o = &watch->options;
	bool through = o->origin.sa.sa_family == AF_UNSPEC;

	return open_party(watch, &watch->changer,
			  client_connect(through ? &o->destination : &o->origin));
}

static int open_observer(struct watch *watch, unsigned int number)
{
	const struct watch_options *o = &watch->options;
	union coax_address source = o->source;

	if (source.sa.sa_family == AF_UNSPEC)
		return open_party(watch, &watch->observers[number],
				  client_connect(&o->destination));
	source.in.sin_addr.s_addr =
		htonl(ntohl(source.in.sin_addr.s_addr) + number % watch->options.sources);
	return open_party(watch, &watch->observers[number],
			  client_connect_from(&source, &o->destination));
}

int watch_open(struct watch **result, const struct watch_options *options)
{
	struct watch *watch;
	int error;

	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->options = *options;
	watch->random = client_seed();
	watch->changer.fd = -1;
	watch->observers = calloc(options->observers, sizeof(*watch->observers));
	error = watch->observers ? 0 : -ENOMEM;
	for (unsigned int i = 0; watch->observers && i < options->observers; i++)
		watch->observers[i].fd = -1;
	if (!error)
		error = build(watch, &watch->get, watch->get_buffer, COAX_GET, 0);
	if (!error)
		error = build(watch, &watch->put, watch->put_buffer, COAX_PUT, -1);
	if (!error)
		error = write_state(watch);
	if (!error)
		error = open_changer(watch);
	for (unsigned int i = 0; i < options->observers && !error; i++)
		error = open_observer(watch, i);
	if (error) {
		watch_close(watch);
		return error;
	}
	*result = watch;
	return 0;
}

static void close_party(struct party *party)
{
	if (party->fd >= 0)
		close(party->fd);
}

void watch_close(struct watch *watch)
{
	for (unsigned int i = 0; watch->observers && i < watch->options.observers; i++)
		close_party(&watch->observers[i]);
	close_party(&watch->changer);
	free(watch->observers);
	free(watch);
}
