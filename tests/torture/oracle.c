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

#define PORT		  5683
#define REQUESTS	  100000
#define REQUESTS_A_SOCKET 5000 /* message IDs are not to run out on one */
#define BYTES_MAX	  160

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

static uint8_t versions[8];
static struct coax_resource *resources[8];

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
	static const char *const paths[] = {"a",  "a",	"b/c", "q",  "sub",  "sub/x",
					    "n",  "/",	"e",   "if", "s0",   "s1",
					    "s2", "s3", "no",  "a/", "a%2f", ".well-known/core"};

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

	switch (pick(8)) {
	case 0:
		coax_message_add_uint(m, COAX_ACCEPT, pick(3) ? COAX_FORMAT_TEXT_PLAIN : pick(300));
		break;
	case 1:
	case 2:
		add_etag(m, (uint8_t)(versions[pick(8)] - pick(2)));
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
};

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
	else
		tally->replied++;
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

static void run(int program, struct tally *tally, unsigned long requests)
{
	int fd = -1;

	for (unsigned long i = 0; i < requests; i++) {
		uint8_t bytes[BYTES_MAX], kernel[1280], userspace[1280];
		ssize_t kernel_length, userspace_length = 0;
		unsigned int count;
		size_t length;

		if (i % REQUESTS_A_SOCKET == 0) {
			close(fd);
			fd = client_open(LAB_SERVER_IPV4, PORT);
		}
		length = make_request(bytes, (uint16_t)i);
		kernel_length = lab_ask(program, bytes, length, kernel, sizeof(kernel));
		count = ask_userspace(fd, bytes, length, userspace, &userspace_length);
		compare(tally, bytes, length, kernel, kernel_length, count, userspace,
			userspace_length);

		/* Userspace may just have published it: now the kernel half is asked again, unless
		 * the request has changed what is right to say. */
		if (length > 1 && bytes[1] == COAX_GET) {
			kernel_length = lab_ask(program, bytes, length, kernel, sizeof(kernel));
			compare(tally, bytes, length, kernel, kernel_length, count, userspace,
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
		/* All requests come from one host. */
		.guard = {.reply_bytes = COAX_UNLIMITED, .reply_bytes_total = COAX_UNLIMITED},
	};
	unsigned long requests = setting("COAX_ORACLE_REQUESTS", REQUESTS);
	struct coax_context *context;
	struct tally tally = {0};

	random_state = setting("COAX_ORACLE_SEED", 20260101);
	lab_begin();
	options.site = create_site();
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	run(lab_program(), &tally, requests);
	printf("# %lu passed, %lu replies, %lu pings answered, %lu differing\n", tally.passed,
	       tally.replied, tally.pongs, tally.differing);
	EXPECT_EQ(tally.differing, 0UL);
	/* The comparison means something only if the kernel half has answered a good part. */
	EXPECT_GT(tally.replied, requests / 20);
	EXPECT_GT(tally.pongs, requests / 1000);
	EXPECT_GT(tally.passed, requests / 20);
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
}

TEST_MAIN()
