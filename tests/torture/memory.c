// SPDX-License-Identifier: BSD-2-Clause
// timeout: 300
/*
 * What crowds cost: 100 000 observers, as many peers, 10 000 transfers that are abandoned each way.
 * Memory stays within what the headers promise, a change is rendered once for all, and when the
 * crowd has gone the memory is there again.
 *
 * Clients and server are one process; what the clients keep lies in static arrays that are touched
 * before anything is measured.
 */
#include <malloc.h>
#include <poll.h>
#include <stdatomic.h>
#include <time.h>
#include <coax/coax.h>
#include "../crowd.h"
#include "../context.h"
#include "../harness.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true /* memory is what the sanitizer makes of it */
#define SHRINK	  10
#else
#define SANITIZED false
#define SHRINK	  1
#endif

#define SOCKETS	  100
#define TOKENS	  (1000 / SHRINK) /* a socket */
#define OBSERVERS (SOCKETS * TOKENS)
#define PEERS	  (100000 / SHRINK)
#define ABANDONED (10000 / SHRINK)
#define WINDOW	  64
#define BODY	  8192

/* coax/context.h: "about 300 bytes each". */
#define OBSERVER_BYTES 330
/* Of a peer that is remembered: its request, the reply to that, and its share of the tables. */
#define PEER_BYTES 256
/* What may stay, for each thousand bytes that were needed. */
#define REMAINS_PER_MILLE 50
#define REMAINS_BYTES	  (512 << 10)

static struct {
	struct coax_site *site;
	struct coax_resource *resource;
	struct coax_context *context;
	struct sockaddr_in server;
	atomic_int value;
	atomic_int renderings;
	int sockets[SOCKETS];
	bool told[OBSERVERS];
} world;

/* Bytes. */
struct memory {
	size_t heap;
	size_t resident;
};

static struct memory measure(void)
{
	struct memory memory;
	struct mallinfo2 info;
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	ASSERT_TRUE(statm);
	malloc_trim(0);
	ASSERT_EQ(fscanf(statm, "%*s %lu", &pages), 1);
	fclose(statm);
	info = mallinfo2();
	memory.heap = info.uordblks + info.hblkhd;
	memory.resident = pages * (size_t)sysconf(_SC_PAGESIZE);
	return memory;
}

static size_t grown(size_t now, size_t before)
{
	return now > before ? now - before : 0;
}

static void say(const char *of, const struct memory *before, const struct memory *after, size_t n)
{
	printf("# %s: %zu bytes of memory each, %zu of them allocated (%zu KiB in all)\n", of,
	       grown(after->resident, before->resident) / n, grown(after->heap, before->heap) / n,
	       grown(after->resident, before->resident) >> 10);
}

/* All that was allocated for the crowd has been given back. */
static void expect_returned(const struct memory *before, const struct memory *crowded)
{
	struct memory now = measure();
	size_t allowed =
		grown(crowded->heap, before->heap) / 1000 * REMAINS_PER_MILLE + REMAINS_BYTES;

	printf("# afterwards %zu KiB are still allocated\n", grown(now.heap, before->heap) >> 10);
	if (!SANITIZED)
		EXPECT_LE(grown(now.heap, before->heap), allowed);
}

static void value_get(struct coax_responder *responder, void *arg)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", atomic_load(&world.value));

	(void)arg;
	atomic_fetch_add(&world.renderings, 1);
	coax_responder_set_payload(responder, text, (size_t)length);
	coax_respond(responder, COAX_CONTENT);
}

static void count_post(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_respond(responder, COAX_CHANGED);
}

/* A body of its own for each query. */
static void body_get(struct coax_responder *responder, void *arg)
{
	uint8_t body[BODY];
	struct coax_option query;

	(void)arg;
	memset(body, 'b', sizeof(body));
	if (coax_message_find(coax_responder_request(responder), COAX_URI_QUERY, &query))
		memcpy(body, query.value, query.length);
	coax_responder_set_payload(responder, body, sizeof(body));
	coax_respond(responder, COAX_CONTENT);
}

static void begin(const struct coax_tuning *tuning)
{
	const struct coax_resource_options value = {
		.path = "v",
		.get = value_get,
		.post = count_post,
		.observable = true,
		.notifications = COAX_RELIABLE, /* what a busy machine loses is repeated */
	};
	const struct coax_resource_options body = {.path = "b", .get = body_get, .put = count_post};
	const char *bind = "0.0.0.0:0";
	struct coax_context_options options = {
		.bind = &bind,
		.bind_count = 1,
		.workers = 1,
		.tuning = *tuning,
	};

	ASSERT_EQ(coax_site_create(&world.site), 0);
	ASSERT_EQ(coax_site_add(world.site, &value, &world.resource), 0);
	ASSERT_EQ(coax_site_add(world.site, &body, NULL), 0);
	options.site = world.site;
	world.context = context_open(options);
	world.server = (struct sockaddr_in){.sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
					    .sin_port = htons(coax_context_port(world.context))};
	memset(world.told, 1, sizeof(world.told));
	memset(world.told, 0, sizeof(world.told));
}

static void end(void)
{
	coax_context_shutdown(world.context);
	coax_site_destroy(world.site);
}

static struct coax_context_stats stats(void)
{
	struct coax_context_stats now;

	coax_context_stats_read(world.context, &now);
	return now;
}

#define WAIT_FOR(condition)                                                       \
	do {                                                                      \
		while (!(condition))                                              \
			nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); \
	} while (0)

static void observe(int fd, uint16_t id, uint16_t token)
{
	uint8_t bytes[64];
	struct coax_message m;

	coax_message_start(&m, bytes, sizeof(bytes), COAX_TYPE_CON, COAX_GET, id, &token,
			   sizeof(token));
	coax_message_add_uint(&m, COAX_OBSERVE, 0);
	coax_message_add_string(&m, COAX_URI_PATH, "v");
	crowd_send(fd, &world.server, htonl(INADDR_ANY), &m);
}

static void register_all(int fd)
{
	uint8_t bytes[1280];
	struct coax_message m;
	uint32_t number;

	for (uint16_t sent = 0, answered = 0; answered < TOKENS; answered++) {
		for (; sent < TOKENS && sent < answered + WINDOW; sent++)
			observe(fd, sent, sent);
		ASSERT_TRUE(crowd_take(fd, 10000, bytes, sizeof(bytes), &m));
		ASSERT_EQ(coax_message_code(&m), COAX_CONTENT);
		ASSERT_TRUE(coax_message_find_uint(&m, COAX_OBSERVE, &number));
	}
}

static void acknowledge(int fd, const struct coax_message *m)
{
	uint8_t bytes[4];
	struct coax_message ack;

	coax_message_start(&ack, bytes, sizeof(bytes), COAX_TYPE_ACK, COAX_EMPTY,
			   coax_message_id(m), NULL, 0);
	crowd_send(fd, &world.server, htonl(INADDR_ANY), &ack);
}

/* Take notifications of `value` until each observer has had one. */
static void collect(int value)
{
	struct pollfd readable[SOCKETS];
	struct coax_message m;
	uint8_t bytes[1280];
	char wanted[16];
	int count = 0;

	snprintf(wanted, sizeof(wanted), "%d", value);
	memset(world.told, 0, sizeof(world.told));
	for (int i = 0; i < SOCKETS; i++)
		readable[i] = (struct pollfd){.fd = world.sockets[i], .events = POLLIN};
	while (count < OBSERVERS) {
		ASSERT_GT(poll(readable, SOCKETS, 10000), 0);
		for (int i = 0; i < SOCKETS; i++) {
			uint16_t token;
			size_t length;
			const uint8_t *payload;

			if (!readable[i].revents)
				continue;
			ASSERT_TRUE(crowd_take(readable[i].fd, 0, bytes, sizeof(bytes), &m));
			if (coax_message_type(&m) == COAX_TYPE_CON)
				acknowledge(readable[i].fd, &m);
			payload = coax_message_payload(&m, &length);
			ASSERT_EQ(length, strlen(wanted));
			ASSERT_EQ(memcmp(payload, wanted, length), 0);
			memcpy(&token, coax_message_token(&m), sizeof(token));
			count += !world.told[i * TOKENS + token];
			world.told[i * TOKENS + token] = true;
		}
	}
}

static void drain(void)
{
	uint8_t bytes[1280];

	for (int i = 0; i < SOCKETS; i++)
		while (recv(world.sockets[i], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

TEST_TIMEOUT(
	"100 000 observers cost what the header says, one rendering a change, and are all told",
	120)
{
	const struct coax_tuning tuning = {.observers_per_peer = TOKENS,
					   .notify_confirm_ms = 1000,
					   .ack_timeout_ms = 1500,
					   .max_retransmit = 1};
	struct memory before, crowded;
	double start;

	begin(&tuning);
	for (int i = 0; i < SOCKETS; i++)
		world.sockets[i] = crowd_open(htonl(INADDR_LOOPBACK));
	before = measure();
	for (int i = 0; i < SOCKETS; i++)
		register_all(world.sockets[i]);
	EXPECT_EQ(stats().observers, (uint64_t)OBSERVERS);
	crowded = measure();
	say("an observer", &before, &crowded, OBSERVERS);
	if (!SANITIZED)
		EXPECT_LE(grown(crowded.heap, before.heap) / OBSERVERS, (size_t)OBSERVER_BYTES);

	for (int change = 1; change <= 3; change++) {
		atomic_store(&world.renderings, 0);
		atomic_store(&world.value, change);
		start = seconds();
		coax_resource_changed(world.resource);
		collect(change);
		printf("# change %d: all told after %.2f s\n", change, seconds() - start);
		EXPECT_EQ(atomic_load(&world.renderings), 1);
	}
	crowded = measure();
	say("an observer that has been told", &before, &crowded, OBSERVERS);

	/* From now on nobody acknowledges anything. */
	for (int change = 100; stats().observers; change++) {
		atomic_store(&world.value, change);
		coax_resource_changed(world.resource);
		usleep(100000);
		drain();
		if (!SANITIZED)
			EXPECT_LE(grown(measure().resident, crowded.resident), 16UL << 20);
	}
	EXPECT_EQ(stats().observers_lost, (uint64_t)OBSERVERS);
	expect_returned(&before, &crowded);
	end();
}

static struct coax_message draft(uint8_t *bytes, size_t size, uint8_t code, uint16_t id,
				 const char *path)
{
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, bytes, size, COAX_TYPE_CON, code, id, "tokn", 4), 0);
	ASSERT_EQ(coax_message_add_string(&m, COAX_URI_PATH, path), 0);
	return m;
}

typedef void (*request_fn)(unsigned int peer, struct coax_message *m);

/* One request from each of so many addresses. Returns how many got this code. */
static unsigned int ask_from_all(int fd, unsigned int count, uint8_t method, const char *path,
				 request_fn add, uint16_t id, uint8_t wanted)
{
	unsigned int sent = 0, got = 0;
	uint8_t bytes[1280];

	for (unsigned int answered = 0; answered < count; answered++) {
		struct coax_message m;

		for (; sent < count && sent < answered + WINDOW; sent++) {
			m = draft(bytes, sizeof(bytes), method, id, path);
			if (add)
				add(sent, &m);
			crowd_send(fd, &world.server, crowd_address(sent), &m);
		}
		ASSERT_TRUE(crowd_take(fd, 10000, bytes, sizeof(bytes), &m));
		got += coax_message_code(&m) == wanted;
	}
	return got;
}

TEST_TIMEOUT("100 000 peers are answered, remembered within bounds, and twice as many cost no more",
	     60)
{
	const struct coax_tuning tuning = {.exchanges_max = 131072 / SHRINK};
	struct memory before, crowded, again;
	int fd;

	begin(&tuning);
	fd = crowd_open(htonl(INADDR_ANY));
	before = measure();
	EXPECT_EQ(ask_from_all(fd, PEERS, COAX_POST, "v", NULL, 1, COAX_CHANGED),
		  (unsigned int)PEERS);
	crowded = measure();
	say("a peer", &before, &crowded, PEERS);
	if (!SANITIZED)
		EXPECT_LE(grown(crowded.resident, before.resident) / PEERS, (size_t)PEER_BYTES);

	/* They come again, and others: what is remembered is bounded, safe requests are served. */
	EXPECT_EQ(ask_from_all(fd, PEERS, COAX_GET, "v", NULL, 2, COAX_CONTENT),
		  (unsigned int)PEERS);
	again = measure();
	say("a peer that came again", &before, &again, PEERS);
	if (!SANITIZED)
		EXPECT_LE(grown(again.resident, crowded.resident), 16UL << 20);
	EXPECT_LE(grown(again.heap, before.heap), 1UL << 20);
	end();
}

static void add_first_block(unsigned int peer, struct coax_message *m)
{
	static uint8_t block[1024];

	(void)peer;
	coax_message_add_block(m, COAX_BLOCK1, &(struct coax_block){.more = true, .exponent = 6});
	coax_message_set_payload(m, block, sizeof(block));
}

TEST_TIMEOUT("10 000 uploads that are abandoned stay within bodies_max, and their memory returns",
	     60)
{
	const struct coax_tuning tuning = {.bodies_max = 4 << 20, .block_timeout_ms = 3000};
	struct memory before, crowded;
	int fd;

	begin(&tuning);
	fd = crowd_open(htonl(INADDR_ANY));
	before = measure();
	EXPECT_GT(ask_from_all(fd, ABANDONED, COAX_PUT, "b", add_first_block, 1, COAX_CONTINUE),
		  (unsigned int)1000 / SHRINK);
	EXPECT_LE(stats().bodies, 4ULL << 20);
	EXPECT_GT(stats().bodies, 0ULL);
	crowded = measure();
	printf("# %llu KiB of bodies held\n", (unsigned long long)stats().bodies >> 10);
	say("an abandoned upload", &before, &crowded, ABANDONED);
	WAIT_FOR(stats().bodies == 0);
	expect_returned(&before, &crowded);
	end();
}

static void add_query(unsigned int peer, struct coax_message *m)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", peer);
	coax_message_add_string(m, COAX_URI_QUERY, text);
}

TEST_TIMEOUT("10 000 downloads that are abandoned stay within bodies_max, and their memory returns",
	     60)
{
	const struct coax_tuning tuning = {.bodies_max = 4 << 20, .block_timeout_ms = 3000};
	struct memory before, crowded;
	int fd;

	begin(&tuning);
	fd = crowd_open(htonl(INADDR_ANY));
	before = measure();
	EXPECT_EQ(ask_from_all(fd, ABANDONED, COAX_GET, "b", add_query, 1, COAX_CONTENT),
		  (unsigned int)ABANDONED);
	EXPECT_LE(stats().bodies, 4ULL << 20);
	EXPECT_GT(stats().bodies, 0ULL);
	crowded = measure();
	printf("# %llu KiB of bodies held\n", (unsigned long long)stats().bodies >> 10);
	say("an abandoned download", &before, &crowded, ABANDONED);
	WAIT_FOR(stats().bodies == 0);
	expect_returned(&before, &crowded);
	end();
}

TEST_MAIN()
