// SPDX-License-Identifier: BSD-2-Clause
// timeout: 300
/*
 * The two halves agree, by differential testing: the same request is given to both halves, and
 * what the kernel half sends is what userspace sends, byte for byte, or the kernel half has passed
 * it.
 *
 * COAX_ORACLE_REQUESTS in the environment changes how many, COAX_ORACLE_SEED which.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <linux/types.h>
#include <coax/coax.h>
#include <coax/maps.h>
#include "../harness.h"
#include "../client.h"
#include "../lab.h"

#define PORT		    5683
#define REQUESTS	    100000
#define REQUESTS_A_SOCKET   5000 /* message IDs are not to run out on one */
#define REQUESTS_A_RESOURCE 333
#define BYTES_MAX	    160

#define FETCHED_MAX_AGE	    600

#define BARRIER_ID	    0xbeef

static const uint8_t barrier[] = {0x40, 0x00, 0xbe, 0xef};
static const uint8_t barrier_answer[] = {0x70, 0x00, 0xbe, 0xef};

static uint64_t random_state;

static uint32_t pick(uint32_t below)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(random_state >> 33) % below;
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

/* The resources: what they say depends on what has happened to them. */

#define VERSIONED  13
#define LARGE_SIZE 3000

static uint8_t versions[VERSIONED];
static struct coax_resource *resources[VERSIONED];

static void add_etag(struct coax_message *m, uint8_t version)
{
	const uint8_t etag[2] = {0xe7, version};

	coax_message_add(m, COAX_ETAG, etag, sizeof(etag));
}

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

/* Larger than a message, and told by a hash... */
static void blocks(struct coax_responder *responder, void *arg)
{
	const uint8_t *version = arg;
	uint8_t body[LARGE_SIZE];

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + *version + (i >> 8));
	coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE, 3600);
	coax_responder_set_payload(responder, body, sizeof(body) - *version);
	coax_respond(responder, COAX_CONTENT);
}

/* ... or by an ETag of the resource's own. */
static void tagged_blocks(struct coax_responder *responder, void *arg)
{
	add_etag(coax_responder_response(responder), *(const uint8_t *)arg);
	blocks(responder, arg);
}

/* The payload and the version, small or large. */
static void fetch(struct coax_responder *responder, void *arg)
{
	const uint8_t *version = arg;
	uint8_t body[LARGE_SIZE];
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);

	memset(body, *version, sizeof(body));
	if (payload)
		memcpy(body, payload, length < 100 ? length : 100);
	coax_responder_set_payload(responder, body, length % 2 ? sizeof(body) : 100);
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

static void failing(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_respond_error(responder, COAX_CONFLICT, "not today");
}

/* As a proxy has it from another origin: Max-Age is what is left. A PUT fetches it anew. */
static void say_fetched(struct coax_responder *responder, uint8_t version)
{
	static uint64_t since[256];

	if (!since[version]) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		since[version] = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	}
	coax_responder_set_fetched(responder, since[version], FETCHED_MAX_AGE);
}

static void aged(struct coax_responder *responder, void *arg)
{
	say_fetched(responder, *(uint8_t *)arg);
	versioned(responder, arg);
}

static void aged_blocks(struct coax_responder *responder, void *arg)
{
	say_fetched(responder, *(uint8_t *)arg);
	tagged_blocks(responder, arg);
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
		{.path = "l", .get = blocks, .put = replace, .cacheable = true},
		{.path = "t", .get = tagged_blocks, .put = replace, .cacheable = true},
		{.path = "f", .get = versioned, .fetch = fetch, .put = replace, .cacheable = true},
		{.path = "aged", .get = aged, .put = replace, .cacheable = true},
		{.path = "agedl", .get = aged_blocks, .put = replace, .cacheable = true},
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

/* Requests: mostly sensible ones, some with something odd, some damaged. */

static void add_path(struct coax_message *m)
{
	static const char *const paths[] = {"a",
					    "a",
					    "b/c",
					    "q",
					    "sub",
					    "sub/x",
					    "n",
					    "/",
					    "e",
					    "if",
					    "s0",
					    "s1",
					    "s2",
					    "s3",
					    "no",
					    "a/",
					    "a%2f",
					    ".well-known/core",
					    "l",
					    "l",
					    "t",
					    "t",
					    "f",
					    "f",
					    "no",
					    "come",
					    "aged",
					    "aged",
					    "agedl",
					    ".well-known/core?href=/s*",
					    ".well-known/core?rt=none"};
	char missing[8];

	if (!pick(30)) {
		sprintf(missing, "no%u", pick(20));
		coax_uri_path_add_options(missing, m);
		return;
	}
	coax_uri_path_add_options(paths[pick(sizeof(paths) / sizeof(paths[0]))], m);
}

static void add_something(struct coax_message *m)
{
	static const uint16_t odd[] = {COAX_IF_MATCH,
				       COAX_IF_NONE_MATCH,
				       COAX_OBSERVE,
				       COAX_URI_PORT,
				       COAX_MAX_AGE,
				       COAX_BLOCK2,
				       COAX_BLOCK1,
				       COAX_SIZE2,
				       COAX_SIZE1,
				       COAX_HOP_LIMIT,
				       COAX_ECHO,
				       COAX_NO_RESPONSE,
				       COAX_PROXY_URI,
				       COAX_PROXY_SCHEME,
				       COAX_CONTENT_FORMAT,
				       COAX_REQUEST_TAG,
				       9,
				       65,
				       66,
				       2048,
				       65001,
				       65535};
	static const char *const hosts[] = {"", "a", "example.org"};
	uint8_t value[4] = {(uint8_t)pick(256), (uint8_t)pick(256), (uint8_t)pick(4), 1};

	struct coax_block block = {.number = pick(pick(10) ? 4 : 200)};

	switch (pick(10)) {
	case 8:
	case 9:
		block.exponent = (uint8_t)(pick(4) ? 6 - pick(3) : pick(7));
		block.more = !pick(20);
		coax_message_add_block(m, COAX_BLOCK2, &block);
		break;
	case 0:
		coax_message_add_uint(m, COAX_ACCEPT, pick(3) ? COAX_FORMAT_TEXT_PLAIN : pick(300));
		break;
	case 1:
	case 2:
		add_etag(m, (uint8_t)(versions[pick(VERSIONED)] - pick(2)));
		break;
	case 3:
		coax_message_add(m, COAX_URI_QUERY, "x=1", pick(4));
		break;
	case 4:
		coax_message_add_string(m, COAX_URI_HOST, hosts[pick(3)]);
		break;
	default:
		coax_message_add(m, odd[pick(sizeof(odd) / sizeof(odd[0]))], value, pick(5));
	}
}

static size_t damage(uint8_t *bytes, size_t length)
{
	switch (pick(3)) {
	case 0:
		return pick((uint32_t)length + 1);
	case 1:
		for (uint32_t i = 0; i < 1 + pick(3); i++)
			bytes[pick((uint32_t)length)] ^= (uint8_t)(1 << pick(8));
		return length;
	default:
		for (uint32_t i = 0; i < 1 + pick(4) && length < BYTES_MAX; i++)
			bytes[length++] = (uint8_t)pick(256);
		return length;
	}
}

static size_t make_request(uint8_t *bytes, uint16_t id)
{
	static const uint8_t codes[] = {COAX_GET, COAX_GET,    COAX_GET,   COAX_GET, COAX_GET,
					COAX_GET, COAX_GET,    COAX_GET,   COAX_PUT, COAX_POST,
					COAX_PUT, COAX_DELETE, COAX_FETCH, 0,	     9,
					31,	  0x45,	       0x20,	   0xe1};
	uint8_t token[8];
	struct coax_message m;

	for (size_t i = 0; i < sizeof(token); i++)
		token[i] = (uint8_t)pick(256);
	coax_message_start(&m, bytes, BYTES_MAX,
			   pick(4) ? (enum coax_type)pick(2) : (enum coax_type)pick(4),
			   codes[pick(sizeof(codes))], id, token, pick(9));
	if (coax_message_code(&m) == COAX_EMPTY && pick(4))
		return coax_message_token_length(&m) ? 4 + coax_message_token_length(&m) : 4;
	add_path(&m);
	for (uint32_t i = pick(3); i > 0 && pick(2); i--)
		add_something(&m);
	if (!pick(20))
		coax_message_set_payload(&m, token, 1 + pick(8));
	return pick(6) ? m.length : damage(bytes, m.length);
}

/*
 * What userspace says: the datagrams that come before the answer to a ping sent right behind.
 * Returns how many, the last of them in `reply`.
 */
static unsigned int ask_userspace(int fd, const uint8_t *bytes, size_t length, uint8_t *reply,
				  ssize_t *reply_length)
{
	uint8_t other[1280];
	unsigned int count = 0;
	ssize_t got;

	ASSERT_EQ(send(fd, bytes, length, 0), (ssize_t)length);
	ASSERT_EQ(send(fd, barrier, sizeof(barrier), 0), (ssize_t)sizeof(barrier));
	for (;;) {
		got = client_receive(fd, other, sizeof(other));
		ASSERT_GE(got, 0);
		if (got == sizeof(barrier_answer) &&
		    !memcmp(other, barrier_answer, sizeof(barrier)))
			return count;
		memcpy(reply, other, (size_t)got);
		*reply_length = got;
		count++;
	}
}

struct tally {
	unsigned long passed, replied, pongs, differing;
	unsigned long blocks, errors, valid, fetched;
	unsigned long aged, later; /* by a second: who was asked last */
};

/*
 * The Max-Age of what was fetched, taken out of the reply; -1: it was not. Other resources say
 * more, or nothing.
 */
static int take_left(uint8_t *reply, ssize_t length)
{
	struct coax_option option;
	struct coax_message m;
	int left;

	if (length <= 4 || coax_message_parse(&m, reply, (size_t)length) ||
	    !coax_message_find(&m, COAX_MAX_AGE, &option) || option.length != 2 ||
	    coax_option_uint(&option) > FETCHED_MAX_AGE)
		return -1;
	left = (int)coax_option_uint(&option);
	memset(reply + (option.value - reply), 0, option.length);
	return left;
}

/* The first one asked may say a second more: it ended between the two. Both times are zero then. */
static void take_second(struct tally *tally, uint8_t *first, ssize_t first_length, uint8_t *second,
			ssize_t second_length)
{
	int before = take_left(first, first_length), after = take_left(second, second_length);

	if (before < 0 || after < 0)
		return;
	tally->aged++;
	tally->later += before == after + 1;
	if (before != after && before != after + 1) {
		HARNESS_SAY("Max-Age %d, and then %d", before, after);
		tally->differing++;
	}
}

/* A reply of the kernel half's, by what only it can say since it knows more than plain GETs. */
static void count_kind(struct tally *tally, const uint8_t *request, const uint8_t *reply,
		       size_t length)
{
	struct coax_message m;
	struct coax_block block;

	tally->replied++;
	if (coax_message_parse(&m, reply, length))
		return;
	tally->blocks += coax_message_find_block(&m, COAX_BLOCK2, &block) > 0;
	tally->errors += COAX_CODE_CLASS(coax_message_code(&m)) == 4;
	tally->valid += coax_message_code(&m) == COAX_VALID;
	tally->fetched += request[1] == COAX_FETCH;
}

static void compare(struct tally *tally, const uint8_t *bytes, size_t length, const uint8_t *kernel,
		    ssize_t kernel_length, unsigned int count, const uint8_t *userspace,
		    ssize_t userspace_length)
{
	if (kernel_length == 0) {
		tally->passed++;
		return;
	}
	if (kernel_length == 4)
		tally->pongs++;
	else if (kernel_length > 0)
		count_kind(tally, bytes, kernel, (size_t)kernel_length);
	if (count == 1 && kernel_length == userspace_length &&
	    !memcmp(kernel, userspace, (size_t)kernel_length))
		return;
	if (tally->differing++ < 5) {
		HARNESS_SAY("the halves differ; userspace sent %u replies", count);
		harness_hex("request", bytes, length);
		harness_hex("kernel", kernel, kernel_length < 0 ? 0 : (size_t)kernel_length);
		if (count)
			harness_hex("userspace", userspace, (size_t)userspace_length);
	}
}

/* What was missing is there, and goes again. */
static void come_and_go(struct coax_site *site)
{
	const struct coax_resource_options options = {
		.path = "come", .get = query, .cacheable = true};
	static struct coax_resource *there;

	if (there) {
		coax_site_remove(site, there);
		there = NULL;
	} else {
		ASSERT_EQ(coax_site_add(site, &options, &there), 0);
	}
}

static void run(int program, struct coax_site *site, struct tally *tally, unsigned long requests)
{
	int fd = -1;

	for (unsigned long i = 0; i < requests; i++) {
		uint8_t bytes[BYTES_MAX], kernel[1280], userspace[1280], again[1280];
		ssize_t kernel_length, userspace_length = 0;
		unsigned int count;
		size_t length;

		/* The barrier's: an answer to it could be another's. */
		if ((uint16_t)i == BARRIER_ID)
			continue;
		if (i % REQUESTS_A_SOCKET == 0) {
			close(fd);
			fd = client_open(LAB_SERVER_IPV4, PORT);
		}
		if (i % REQUESTS_A_RESOURCE == 0)
			come_and_go(site);
		length = make_request(bytes, (uint16_t)i);
		kernel_length = lab_ask(program, bytes, length, kernel, sizeof(kernel));
		count = ask_userspace(fd, bytes, length, userspace, &userspace_length);
		memcpy(again, userspace, sizeof(again));
		take_second(tally, kernel, kernel_length, userspace, userspace_length);
		compare(tally, bytes, length, kernel, kernel_length, count, userspace,
			userspace_length);

		/* Userspace may just have published it: now the kernel half is asked again, unless
		 * the request has changed what is right to say. */
		if (length > 1 && (bytes[1] == COAX_GET || bytes[1] == COAX_FETCH)) {
			kernel_length = lab_ask(program, bytes, length, kernel, sizeof(kernel));
			take_second(tally, again, userspace_length, kernel, kernel_length);
			compare(tally, bytes, length, kernel, kernel_length, count, again,
				userspace_length);
		}
	}
	close(fd);
}

TEST_TIMEOUT("the kernel half sends what userspace sends, byte for byte, or passes", 280)
{
	const char *interface = LAB_SERVER, *bind = "*:5683";
	struct coax_context_options options = {
		.bind = &bind,
		.bind_count = 1,
		.workers = 1,
		.logger = {.from = COAX_LOG_ERROR},
		.accel = {.interfaces = &interface, .interface_count = 1, .slots = 256},
	};
	unsigned long requests = setting("COAX_ORACLE_REQUESTS", REQUESTS);
	struct coax_context *context;
	struct tally tally = {0};

	random_state = setting("COAX_ORACLE_SEED", 20260101);
	lab_begin();
	options.site = create_site();
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	run(lab_program(), options.site, &tally, requests);
	printf("# %lu passed, %lu replies, %lu pings answered, %lu differing\n", tally.passed,
	       tally.replied, tally.pongs, tally.differing);
	printf("# %lu blocks, %lu errors, %lu validated, %lu fetched, %lu aged\n", tally.blocks,
	       tally.errors, tally.valid, tally.fetched, tally.aged);
	EXPECT_EQ(tally.differing, 0UL);
	/* The comparison means something only if the kernel half has answered a good part. */
	EXPECT_GT(tally.replied, requests / 20);
	EXPECT_GT(tally.blocks, requests / 200);
	EXPECT_GT(tally.errors, requests / 100);
	EXPECT_GT(tally.valid, requests / 3000);
	EXPECT_GT(tally.fetched, requests / 2000);
	EXPECT_GT(tally.pongs, requests / 1000);
	EXPECT_GT(tally.aged, requests / 200);
	EXPECT_LE(tally.later, tally.aged / 50);
	EXPECT_GT(tally.passed, requests / 20);
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
}

TEST_MAIN()
