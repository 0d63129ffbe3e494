// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two workers with DTLS and a network that does anything to what they send, and adds what it likes:
 * no order of records is a fault, each session ends once, and nothing keeps a server from its next
 * client.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "credentials/set.h"
#include "transport/dtls.h"

#define SECOND	 1000000000ULL
#define QUEUE	 32
#define SESSIONS 64

enum {
	SERVER,
	CLIENT
};

/* What is fuzzed is read as a program: commands and their arguments. */
static const uint8_t *at, *end;

static uint64_t now;
static struct coax_credentials *client_set;
static struct coax_dtls_shared *shared[2];
static struct coax_dtls *workers[2];
static struct coax_context_stats stats;

static struct flying {
	int from;
	size_t length;
	uint8_t data[COAX_DATAGRAM_IN_MAX];
} queue[QUEUE];
static unsigned int first, last;

static struct {
	bool established[2];
	uint64_t name[2]; /* the latest */
	uint64_t ended[2];
	int messages;
} seen;

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	(void)zone;
	out->tv_sec = 1700000000 + (time_t)(now / SECOND);
	out->tv_usec = (suseconds_t)(now % SECOND / 1000);
	return 0;
}

static uint8_t next(void)
{
	return at < end ? *at++ : 0;
}

static int side_of(const void *arg)
{
	return arg == &shared[CLIENT];
}

static void on_send(void *arg, const struct coax_path *path, const uint8_t *data, size_t length)
{
	struct flying *slot = &queue[last % QUEUE];

	(void)path;
	assert(length && length <= COAX_DTLS_OUT_MAX);
	if (last - first == QUEUE)
		first++;
	last++;
	slot->from = side_of(arg);
	slot->length = length;
	memcpy(slot->data, data, length);
}

static void on_established(void *arg, const struct coax_path *path,
			   const struct coax_claims *claims)
{
	int side = side_of(arg);

	assert(claims && claims->kind == COAX_CLAIMS_PSK);
	assert(claims == coax_dtls_claims(workers[side], path->session));
	seen.established[side] = true;
	seen.name[side] = path->session;
}

static void on_ended(void *arg, const struct coax_path *path, int result, const char *reason)
{
	int side = side_of(arg);

	(void)result;
	assert(reason && path->session && path->session != seen.ended[side]);
	seen.ended[side] = path->session;
	if (seen.name[side] == path->session)
		seen.established[side] = false;
}

static const struct coax_dtls_ops ops = {
	.send = on_send, .established = on_established, .ended = on_ended};

static void address_of(union coax_address *address, int side)
{
	memset(address, 0, sizeof(*address));
	address->in.sin_family = AF_INET;
	address->in.sin_addr.s_addr = htonl(0xc0000201 + (uint32_t)side);
	address->in.sin_port = htons(side ? 40000 : 5684);
}

/* In memory of just its length, so that what is read beyond shows. */
static void receive(int to, const uint8_t *data, size_t length, bool cut)
{
	struct coax_datagram datagram, *messages;
	unsigned int count;

	memset(&datagram, 0, sizeof(datagram));
	address_of(&datagram.path.remote, 1 - to);
	address_of(&datagram.path.local, to);
	datagram.data = malloc(length + !length);
	datagram.length = (uint32_t)length;
	datagram.truncated = cut;
	memcpy(datagram.data, data, length);
	count = coax_dtls_receive(workers[to], now, &datagram, 1, &messages);
	for (unsigned int i = 0; i < count; i++) {
		assert(messages[i].length == 4 && memcmp(messages[i].data, "said", 4) == 0);
		assert(messages[i].path.session);
		seen.messages++;
	}
	free(datagram.data);
}

static bool deliver(void)
{
	struct flying datagram;

	if (first == last)
		return false;
	datagram = queue[first++ % QUEUE];
	receive(1 - datagram.from, datagram.data, datagram.length, false);
	return true;
}

/* One that is under way, or was, with something changed. */
static void deliver_changed(void)
{
	struct flying datagram = queue[next() % QUEUE];
	uint8_t count = next() % 4;

	if (!datagram.length)
		return;
	for (uint8_t i = 0; i < count; i++)
		datagram.data[(next() << 8 | next()) % datagram.length] ^= next();
	if (next() & 1)
		datagram.length = (next() << 8 | next()) % (datagram.length + 1);
	receive(next() & 1 ? datagram.from : 1 - datagram.from, datagram.data, datagram.length,
		next() == 1);
}

static void deliver_bytes(void)
{
	uint8_t data[512];
	int to = next() & 1;
	size_t length = (size_t)(next() << 8 | next()) % sizeof(data);

	for (size_t i = 0; i < length; i++)
		data[i] = next();
	receive(to, data, length, false);
}

static void say(int side)
{
	struct coax_path path;

	memset(&path, 0, sizeof(path));
	path.session = seen.name[side];
	coax_dtls_send(workers[side], now, &path, (const uint8_t *)"said", 4);
}

static void begin(void)
{
	struct coax_path path;

	memset(&path, 0, sizeof(path));
	address_of(&path.remote, SERVER);
	if (coax_dtls_connect(workers[CLIENT], now, &path, coax_credentials_at(client_set, 0),
			      NULL) == 0)
		seen.name[CLIENT] = path.session;
}

static void pass_time(void)
{
	static const uint32_t steps_ms[] = {0, 1, 1100, 5000, 11000, 61000, 70000, 600000};

	now += steps_ms[next() % 8] * 1000000ULL;
	for (int side = 0; side < 2; side++) {
		if (coax_dtls_deadline(workers[side]) <= now)
			coax_dtls_tick(workers[side], now);
		assert(coax_dtls_deadline(workers[side]) > now);
	}
}

static void command(void)
{
	switch (next() % 12) {
	case 0:
	case 1:
	case 2:
		deliver();
		break;
	case 3:
	case 4:
		deliver_changed();
		break;
	case 5:
		deliver_bytes();
		break;
	case 6:
		pass_time();
		break;
	case 7:
		begin();
		break;
	case 8:
		say(next() & 1);
		break;
	case 9:
		if (first != last)
			first++;
		break;
	case 10:
		coax_dtls_close(workers[SERVER], now, seen.name[SERVER]);
		break;
	default:
		/* The client forgets everything. */
		coax_dtls_close(workers[CLIENT], now, seen.name[CLIENT]);
		first = last;
	}
}

static void open_worker(int side)
{
	static const struct coax_logger quiet = {.from = COAX_LOG_ERROR + 1};
	struct coax_dtls_options options = {
		.shared = shared[side],
		.ops = &ops,
		.arg = &shared[side],
		.logger = &quiet,
		.stats = &stats,
	};

	if (coax_dtls_create(&workers[side], &options))
		abort();
}

static void set_up(void)
{
	struct coax_dtls_shared_options options = {
		.limits = {.sessions_max = SESSIONS, .idle_ms = 300000}};
	const struct coax_credential *other;
	struct coax_credential *entry;

	if (coax_credentials_create(&options.server) ||
	    !(entry = coax_credentials_add(options.server, ":device")))
		abort();
	entry->psk = (struct coax_psk){6, 6, "sensor", "secret"};
	if (coax_credentials_accept(options.server, entry, &other) ||
	    coax_dtls_shared_create(&shared[SERVER], &options) ||
	    coax_credentials_for_psk(&client_set, "sensor", 6, "secret", 6))
		abort();
	options.server = NULL;
	options.client = client_set;
	if (coax_dtls_shared_create(&shared[CLIENT], &options))
		abort();
}

/* Whatever was before, a client that is left alone gets its session. */
static void prove_service(void)
{
	int before;

	coax_dtls_close(workers[CLIENT], now, seen.name[CLIENT]);
	coax_dtls_destroy(workers[CLIENT]);
	open_worker(CLIENT);
	memset(queue, 0, sizeof(queue));
	first = last;
	seen.ended[CLIENT] = 0;
	seen.established[CLIENT] = false;
	begin();
	while (deliver())
		;
	assert(seen.established[CLIENT] && seen.established[SERVER]);
	before = seen.messages;
	say(CLIENT);
	while (deliver())
		;
	assert(seen.messages == before + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!shared[SERVER])
		set_up();
	at = data;
	end = data + size;
	now = 5000 * SECOND;
	memset(&seen, 0, sizeof(seen));
	memset(queue, 0, sizeof(queue));
	first = last = 0;
	open_worker(SERVER);
	open_worker(CLIENT);
	begin();
	for (uint8_t i = next() % 8; i; i--)
		deliver();
	for (int i = 0; i < 64 && at < end; i++)
		command();
	prove_service();
	coax_dtls_destroy(workers[SERVER]);
	coax_dtls_destroy(workers[CLIENT]);
	return 0;
}
