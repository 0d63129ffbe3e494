// SPDX-License-Identifier: BSD-2-Clause
// timeout: 600
/*
 * The two halves agree, by differential testing: the same request is given to both halves, as from
 * the same peer, and what the kernel half sends is what userspace sends, byte for byte; what it
 * drops userspace says nothing to; or it has passed it.
 *
 * Userspace is asked over a network past the interface that the kernel half is attached to.
 *
 * COAX_ORACLE_REQUESTS in the environment changes how many, COAX_ORACLE_SEED which.
 */
#include <pthread.h>
#include <linux/types.h>
#include <coax/coax.h>
#include <coax/maps.h>
#include "../harness.h"
#include "../client.h"
#include "../lab.h"
#include "requests.h"

#define PORT		  5683
#define REQUESTS	  100000
#define REQUESTS_A_SOCKET 5000 /* message IDs are not to run out on one */
#define REPLY_MAX	  1280

/* No request has this message ID, nor comes to it by a few bits. */
static const uint8_t barrier[] = {0x40, 0x00, 0xff, 0xff};
static const uint8_t barrier_answer[] = {0x70, 0x00, 0xff, 0xff};

#define BYPASS_SERVER "198.51.100.1"
#define BYPASS_CLIENT "198.51.100.2"
#define FIRST_PORT    20000

/* The resources: what they say depends on what has happened to them. */

static struct coax_resource *resources[RESOURCES];

static void versioned(struct coax_responder *responder, void *arg)
{
	uint8_t *version = arg;
	struct coax_message *m = coax_responder_response(responder);
	char body[64];

	add_etag(m, *version);
	coax_message_add_uint(m, COAX_CONTENT_FORMAT, COAX_FORMAT_TEXT_PLAIN);
	coax_message_set_payload(m, body, (size_t)sprintf(body, "%*d", *version % 50, *version));
	coax_respond(responder, COAX_CONTENT);
}

static void replace(struct coax_responder *responder, void *arg)
{
	uint8_t *version = arg;

	++*version;
	coax_resource_changed(resources[version - versions]);
	coax_respond(responder, COAX_CHANGED);
}

/* Says the query that was asked. */
static void query(struct coax_responder *responder, void *arg)
{
	struct coax_message *m = coax_responder_response(responder);
	char text[256] = "";

	(void)arg;
	coax_uri_compose_path(coax_responder_request(responder), text, sizeof(text));
	coax_message_set_payload(m, text, strlen(text));
	coax_respond(responder, COAX_CONTENT);
}

/* Not cacheable: another answer each time, which the kernel half must never repeat. */
static void counter(struct coax_responder *responder, void *arg)
{
	static unsigned int count;
	char body[16];

	(void)arg;
	coax_message_set_payload(coax_responder_response(responder), body,
				 (size_t)sprintf(body, "%u", ++count));
	coax_respond(responder, COAX_CONTENT);
}

static void large(struct coax_responder *responder, void *arg)
{
	static uint8_t body[COAX_PAYLOAD_MAX];

	coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE, 3600);
	coax_message_set_payload(coax_responder_response(responder), body, *(const size_t *)arg);
	coax_respond(responder, COAX_CONTENT);
}

/* Larger than a message: it leaves in blocks. */
static void big(struct coax_responder *responder, void *arg)
{
	const uint8_t *version = arg;
	uint8_t body[3000];

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i / 16 + *version);
	add_etag(coax_responder_response(responder), *version);
	coax_responder_set_payload(responder, body, sizeof(body) - *version % 50);
	coax_respond(responder, COAX_CONTENT);
}

/* Says what was asked for in the payload, and how often that has changed. */
static void fetch(struct coax_responder *responder, void *arg)
{
	const uint8_t *version = arg;
	char text[256];
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);

	length = (size_t)snprintf(text, sizeof(text), "%u: %.*s", *version, (int)length,
				  payload ? (const char *)payload : "");
	coax_message_set_payload(coax_responder_response(responder), text, length);
	coax_respond(responder, COAX_CONTENT);
}

static void failing(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_respond_error(responder, COAX_CONFLICT, "not today");
}

static struct coax_site *create_site(void)
{
	static const size_t sizes[] = {0, 1, 63, 1024};
	const struct coax_resource_options all[] = {
		{.path = "a", .get = versioned, .put = replace, .cacheable = true},
		{.path = "b/c",
		 .get = versioned,
		 .post = replace,
		 .cacheable = true,
		 .format_count = 1},
		{.path = "q", .get = query, .cacheable = true, .cacheable_queries = true},
		{.path = "sub", .get = query, .cacheable = true, .subtree = true},
		{.path = "n", .get = counter},
		{.path = "", .get = versioned, .cacheable = true},
		{.path = "e", .get = failing, .cacheable = true},
		{.path = "if",
		 .get = versioned,
		 .put = replace,
		 .conditional = true,
		 .cacheable = true},
		{.path = "big", .get = big, .put = replace, .cacheable = true},
		{.path = "big/q", .get = big, .cacheable = true, .cacheable_queries = true},
		{.path = "f", .get = versioned, .fetch = fetch, .post = replace, .cacheable = true},
	};
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct coax_resource_options options = all[i];

		options.arg = &versions[i];
		ASSERT_EQ(coax_site_add(site, &options, &resources[i]), 0);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char path[8];
		struct coax_resource_options options = {
			.path = path, .get = large, .arg = (void *)&sizes[i], .cacheable = true};

		sprintf(path, "s%zu", i);
		ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	}
	return site;
}

/* What one half says to a datagram. */
struct says {
	int count; /* datagrams; -1: it leaves that to the other half */
	size_t length;
	uint8_t bytes[REPLY_MAX]; /* the last of them */
};

struct peer {
	int fd;
	struct frame_flow flow; /* the same peer, as the kernel half sees it */
};

static void ask_kernel(int program, const struct peer *peer, const uint8_t *bytes, size_t length,
		       struct says *says)
{
	ssize_t got =
		lab_ask_by(program, &peer->flow, bytes, length, says->bytes, sizeof(says->bytes));

	says->count = got == 0 ? -1 : got > 0;
	says->length = got > 0 ? (size_t)got : 0;
}

/* What comes before the answer to a ping sent right behind. */
static void ask_userspace(const struct peer *peer, const uint8_t *bytes, size_t length,
			  struct says *says)
{
	uint8_t other[REPLY_MAX];
	ssize_t got;

	says->count = 0;
	says->length = 0;
	ASSERT_EQ(send(peer->fd, bytes, length, 0), (ssize_t)length);
	ASSERT_EQ(send(peer->fd, barrier, sizeof(barrier), 0), (ssize_t)sizeof(barrier));
	for (;;) {
		got = client_receive(peer->fd, other, sizeof(other));
		ASSERT_GE(got, 0);
		if (got == sizeof(barrier_answer) &&
		    !memcmp(other, barrier_answer, sizeof(barrier_answer)))
			return;
		memcpy(says->bytes, other, (size_t)got);
		says->length = (size_t)got;
		says->count++;
	}
}

static bool agree(const struct says *kernel, const struct says *userspace)
{
	if (kernel->count < 0)
		return true;
	return kernel->count == userspace->count && kernel->length == userspace->length &&
	       !memcmp(kernel->bytes, userspace->bytes, kernel->length);
}

/* Kinds of requests, and how many of each the kernel half has answered or dropped. */
enum kind {
	PLAIN,
	WITH_ETAG,
	WITH_ACCEPT,
	WITH_QUERY,
	WITH_BLOCK2,
	FETCHES,
	NOT_FOUND,
	OTHERS,
	EMPTY,
	REJECTED,
	KINDS
};

static const struct {
	const char *name;
	unsigned int least; /* of 1000 requests, those of this kind that the kernel sees to */
} kinds[KINDS] = {
	[PLAIN] = {"plain", 100},	[WITH_ETAG] = {"ETag", 10},
	[WITH_ACCEPT] = {"Accept", 10}, [WITH_QUERY] = {"query", 4},
	[WITH_BLOCK2] = {"Block2", 0},	[FETCHES] = {"FETCH", 0},
	[NOT_FOUND] = {"4.04", 0},	[OTHERS] = {"others", 0},
	[EMPTY] = {"Empty", 5},		[REJECTED] = {"rejected", 20},
};

struct tally {
	unsigned long asked[KINDS], answered[KINDS], dropped[KINDS], duplicates, differing;
};

static bool is_response(const struct says *says)
{
	return says->count == 1 && says->length >= 4 && says->bytes[1] != COAX_EMPTY;
}

static enum kind kind_of(const uint8_t *bytes, size_t length, const struct says *userspace)
{
	struct coax_message m;
	struct coax_option option;

	if (coax_message_parse(&m, bytes, length))
		return REJECTED;
	if (coax_message_code(&m) == COAX_EMPTY)
		return EMPTY;
	if (!is_response(userspace))
		return REJECTED;
	if (userspace->bytes[1] == COAX_NOT_FOUND)
		return NOT_FOUND;
	if (coax_message_code(&m) == COAX_FETCH)
		return FETCHES;
	if (coax_message_code(&m) != COAX_GET)
		return OTHERS;
	if (coax_message_find(&m, COAX_BLOCK2, &option))
		return WITH_BLOCK2;
	if (coax_message_find(&m, COAX_ETAG, &option))
		return WITH_ETAG;
	if (coax_message_find(&m, COAX_URI_QUERY, &option))
		return WITH_QUERY;
	return coax_message_find(&m, COAX_ACCEPT, &option) ? WITH_ACCEPT : PLAIN;
}

static void count(struct tally *tally, enum kind kind, const struct says *kernel)
{
	tally->asked[kind]++;
	tally->answered[kind] += kernel->count > 0;
	tally->dropped[kind] += kernel->count == 0;
}

static void tell(const uint8_t *bytes, size_t length, const struct says *kernel,
		 const struct says *userspace)
{
	HARNESS_SAY("the halves differ: %d datagrams from the kernel half, %d from userspace",
		    kernel->count, userspace->count);
	harness_hex("request", bytes, length);
	harness_hex("kernel", kernel->bytes, kernel->length);
	harness_hex("userspace", userspace->bytes, userspace->length);
}

/*
 * Three times: as it comes, as a duplicate when userspace has seen to it and may have published,
 * and to userspace again. To a duplicate may be said what was said before, or what is said now.
 */
static void ask_both(int program, const struct peer *peer, const uint8_t *bytes, size_t length,
		     struct tally *tally)
{
	struct says kernel, userspace, again;
	enum kind kind;
	bool right;

	ask_kernel(program, peer, bytes, length, &kernel);
	ask_userspace(peer, bytes, length, &userspace);
	kind = kind_of(bytes, length, &userspace);
	right = agree(&kernel, &userspace);
	count(tally, kind, &kernel);
	if (right) {
		ask_kernel(program, peer, bytes, length, &kernel);
		count(tally, kind, &kernel);
		right = agree(&kernel, &userspace);
		if (!right || pick(4) == 0) {
			ask_userspace(peer, bytes, length, &again);
			tally->duplicates++;
			right = right || agree(&kernel, &again);
		}
	}
	if (!right && tally->differing++ < 5)
		tell(bytes, length, &kernel, &userspace);
}

static void open_peer(struct peer *peer, in_port_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	in.sin_addr.s_addr = inet_addr(BYPASS_CLIENT);
	peer->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(bind(peer->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	in.sin_addr.s_addr = inet_addr(LAB_SERVER_IPV4);
	in.sin_port = htons(PORT);
	ASSERT_EQ(connect(peer->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	peer->flow = lab_flow();
	inet_pton(AF_INET, BYPASS_CLIENT, peer->flow.source_ip);
	peer->flow.source_port = port;
}

struct job {
	int program;
	unsigned long requests;
	struct tally tally;
};

static void *run(void *arg)
{
	struct job *job = arg;
	struct peer peer = {.fd = -1};

	lab_enter_client();
	lab_run("ip addr add " BYPASS_CLIENT "/24 dev bypass1 && ip link set bypass1 up");
	lab_run("ip route add " LAB_SERVER_IPV4 "/32 via " BYPASS_SERVER " src " BYPASS_CLIENT);
	for (unsigned long i = 0; i < job->requests; i++) {
		unsigned long id = i % REQUESTS_A_SOCKET;
		uint8_t bytes[BYTES_MAX];
		size_t length;

		if (id == 0) {
			close(peer.fd);
			open_peer(&peer, (in_port_t)(FIRST_PORT + i / REQUESTS_A_SOCKET % 40000));
		}
		length = make_request(bytes, (uint16_t)id);
		ask_both(job->program, &peer, bytes, length, &job->tally);
	}
	close(peer.fd);
	return NULL;
}

/* A way to the server past its first interface. */
static void create_bypass(void)
{
	lab_run("ip link add bypass0 type veth peer name bypass1 netns %d", lab_client_pid);
	lab_run("ip addr add " BYPASS_SERVER "/24 dev bypass0 && ip link set bypass0 up");
}

/* The comparison means something only if the kernel half has answered a good part. */
static void expect_enough(const struct tally *tally, unsigned long requests)
{
	unsigned long asked = 0, answered = 0;

	printf("# of %lu requests, each asked twice:\n", requests);
	for (int i = 0; i < KINDS; i++) {
		printf("# %-10s %7lu asked, %7lu answered by the kernel, %6lu dropped\n",
		       kinds[i].name, tally->asked[i], tally->answered[i], tally->dropped[i]);
		EXPECT_GE(tally->answered[i] + tally->dropped[i], kinds[i].least * requests / 1000);
		asked += tally->asked[i];
		answered += tally->answered[i];
	}
	printf("# %lu duplicates to userspace, %lu differing\n", tally->duplicates,
	       tally->differing);
	EXPECT_GT(answered, asked / 6);
	EXPECT_GT(tally->duplicates, requests / 8);
}

TEST_TIMEOUT("the kernel half sends what userspace sends, byte for byte, or passes", 580)
{
	const char *interface = LAB_SERVER, *bind = "*:5683";
	struct coax_context_options options = {
		.bind = &bind,
		.bind_count = 1,
		.workers = 1,
		.logger = {.from = COAX_LOG_ERROR},
		.accel = {.interfaces = &interface, .interface_count = 1, .slots = 256},
		/* All requests come from one host. */
		.guard = {.reply_bytes = COAX_UNLIMITED, .reply_bytes_total = COAX_UNLIMITED},
	};
	struct job job = {.requests = setting("COAX_ORACLE_REQUESTS", REQUESTS)};
	struct coax_context *context;
	pthread_t thread;

	chance_state = setting("COAX_ORACLE_SEED", 20260101);
	lab_begin();
	create_bypass();
	options.site = create_site();
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	job.program = lab_program();
	ASSERT_EQ(pthread_create(&thread, NULL, run, &job), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(job.tally.differing, 0UL);
	expect_enough(&job.tally, job.requests);
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
}

TEST_MAIN()
