// SPDX-License-Identifier: BSD-2-Clause
// timeout: 120
/*
 * What userspace has rendered once comes from the kernel: blocks, validation, FETCH, errors,
 * discovery; and a change takes it back before it is acknowledged.
 *
 * Userspace is asked by loopback, where the program is not attached; the program by
 * BPF_PROG_TEST_RUN.
 */
#include <coax/coax.h>
#include "context/worker.h"
#include "../harness.h"
#include "../keeper.h"
#include "../client.h"

#define PORT	   5683
#define IMAGE_SIZE (1 << 20)

static uint8_t image[IMAGE_SIZE];
static uint8_t version;
static struct coax_resource *changing[4];
static struct coax_site *site;
static struct coax_context *context;
static int program;
static int userspace; /* a socket */

static void fill_image(void)
{
	uint32_t state = version + 1;

	for (size_t i = 0; i < sizeof(image); i++) {
		state = state * 1664525 + 1013904223;
		image[i] = (uint8_t)(state >> 24);
	}
}

static void get_image(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE, 3600);
	coax_message_add_uint(coax_responder_response(responder), COAX_CONTENT_FORMAT,
			      COAX_FORMAT_OCTET_STREAM);
	coax_responder_set_payload(responder, image, sizeof(image));
	coax_respond(responder, COAX_CONTENT);
}

static ssize_t read_image(void *arg, uint64_t offset, void *buffer, size_t size)
{
	(void)arg;
	memcpy(buffer, image + offset, size);
	return (ssize_t)size;
}

static void get_nameless(struct coax_responder *responder, void *arg)
{
	const struct coax_body body = {.length = sizeof(image), .read = read_image};

	(void)arg;
	coax_responder_set_body(responder, &body);
	coax_respond(responder, COAX_CONTENT);
}

static void get_text(struct coax_responder *responder, void *arg)
{
	struct coax_message *response = coax_responder_response(responder);
	const uint8_t etag[] = {0xe7, version};

	(void)arg;
	coax_message_add(response, COAX_ETAG, etag, sizeof(etag));
	coax_message_add_uint(response, COAX_CONTENT_FORMAT, COAX_FORMAT_TEXT_PLAIN);
	coax_message_add_uint(response, COAX_MAX_AGE, 77);
	coax_message_set_payload(response, "text", 4);
	coax_respond(responder, COAX_CONTENT);
}

/* The request's payload, and which version this is. */
static void fetch(struct coax_responder *responder, void *arg)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);
	char text[64];

	(void)arg;
	snprintf(text, sizeof(text), "%.*s %u", (int)length, payload ? (const char *)payload : "",
		 version);
	coax_message_set_payload(coax_responder_response(responder), text, strlen(text));
	coax_respond(responder, COAX_CONTENT);
}

static void put(struct coax_responder *responder, void *arg)
{
	(void)arg;
	version++;
	fill_image();
	for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++)
		coax_resource_changed(changing[i]);
	coax_respond(responder, COAX_CHANGED);
}

static void put_new(struct coax_responder *responder, void *arg)
{
	const struct coax_resource_options options = {
		.path = "new", .get = get_text, .cacheable = true};

	(void)arg;
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	coax_respond(responder, COAX_CREATED);
}

static struct coax_site *create_site(void)
{
	static const struct coax_resource_options all[] = {
		{.path = "image", .get = get_image, .put = put, .cacheable = true},
		{.path = "text", .get = get_text, .put = put, .cacheable = true},
		{.path = "f", .fetch = fetch, .put = put, .cacheable = true},
		{.path = "nameless", .get = get_nameless, .cacheable = true},
	};
	const struct coax_resource_options creator = {.path = "put-new", .put = put_new};
	struct coax_site *made;

	ASSERT_EQ(coax_site_create(&made), 0);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		ASSERT_EQ(coax_site_add(made, &all[i], &changing[i]), 0);
	ASSERT_EQ(coax_site_add(made, &creator, NULL), 0);
	return made;
}

static void begin(void)
{
	struct coax_context_options options = lab_options();

	lab_begin();
	fill_image();
	options.site = site = create_site();
	options.logger = keeper_logger;
	context = context_open(options);
	program = lab_program();
	userspace = client_open(LAB_SERVER_IPV4, PORT);
	ASSERT_GE(userspace, 0);
}

static void end(void)
{
	coax_context_shutdown(context);
	coax_site_destroy(site);
	close(userspace);
	close(program);
}

/* A request and what is said to it. */
struct asked {
	uint8_t request_bytes[256];
	uint8_t reply_bytes[2048];
	struct coax_message request;
	struct coax_message reply;
};

static void ask(struct asked *asked, uint8_t method, const char *path)
{
	static uint16_t id;

	ASSERT_EQ(coax_message_start(&asked->request, asked->request_bytes,
				     sizeof(asked->request_bytes), COAX_TYPE_CON, method, ++id,
				     "to", 2),
		  0);
	ASSERT_EQ(coax_uri_path_add_options(path, &asked->request), 0);
}

static void ask_block(struct asked *asked, const char *path, uint32_t number, uint8_t exponent)
{
	const struct coax_block block = {.number = number, .exponent = exponent};

	ask(asked, COAX_GET, path);
	ASSERT_EQ(coax_message_add_block(&asked->request, COAX_BLOCK2, &block), 0);
}

static uint8_t take(struct asked *asked, ssize_t length)
{
	if (length <= 0)
		return 0;
	ASSERT_EQ(coax_message_parse(&asked->reply, asked->reply_bytes, (size_t)length), 0);
	return coax_message_code(&asked->reply);
}

/* The code of the reply; 0: it has passed. */
static uint8_t kernel_says(struct asked *asked)
{
	return take(asked, lab_ask(program, asked->request.data, asked->request.length,
				   asked->reply_bytes, sizeof(asked->reply_bytes)));
}

static uint8_t userspace_says(struct asked *asked)
{
	return take(asked, client_ask(userspace, asked->request.data, asked->request.length,
				      asked->reply_bytes, sizeof(asked->reply_bytes)));
}

/* Userspace says the same, but for nothing. */
static void expect_same(struct asked *asked)
{
	struct asked other = *asked;

	/* Asked with an ID of its own, or it were a duplicate. */
	other.request.data = other.request_bytes;
	coax_message_set_id(&other.request, (uint16_t)(coax_message_id(&asked->request) + 0x8000));
	EXPECT_EQ(userspace_says(&other), coax_message_code(&asked->reply));
	coax_message_set_id(&asked->reply, coax_message_id(&other.reply));
	ASSERT_EQ(asked->reply.length, other.reply.length);
	EXPECT_MEMEQ(asked->reply.data, other.reply.data, other.reply.length);
}

static void expect_from_kernel(struct asked *asked, uint8_t code)
{
	EXPECT_EQ(kernel_says(asked), code);
	if (code)
		expect_same(asked);
}

static void change(const char *path)
{
	struct asked asked;

	ask(&asked, COAX_PUT, path);
	EXPECT_EQ(COAX_CODE_CLASS(userspace_says(&asked)), 2);
}

/*
 * Fetch the image in blocks from whoever answers; the first request is `plain` or has Block2 too.
 * Returns how many userspace was asked for.
 */
static unsigned int fetch_image(uint8_t exponent, bool plain, uint32_t count)
{
	unsigned int asked_userspace = 0;
	struct asked asked;

	for (uint32_t number = 0; number < count; number++) {
		size_t size = 16u << exponent, length;
		const uint8_t *payload;

		if (number == 0 && plain)
			ask(&asked, COAX_GET, "image");
		else
			ask_block(&asked, "image", number, exponent);
		if (!kernel_says(&asked)) {
			asked_userspace++;
			ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
		}
		payload = coax_message_payload(&asked.reply, &length);
		ASSERT_EQ(length, size);
		ASSERT_TRUE(memcmp(payload, image + number * size, size) == 0);
	}
	return asked_userspace;
}

TEST("a download of 1 MiB asks userspace some ten times, the next one never")
{
	unsigned int first;

	begin();
	first = fetch_image(6, true, IMAGE_SIZE / 1024);
	HARNESS_SAY("userspace was asked for %u of %d blocks", first, IMAGE_SIZE / 1024);
	EXPECT_LE(first, 10U);
	EXPECT_EQ(fetch_image(6, true, IMAGE_SIZE / 1024), 0U);
	/* Smaller blocks are others. */
	EXPECT_LE(fetch_image(2, false, 1000), 10U);
	EXPECT_EQ(fetch_image(2, false, 1000), 0U);
	end();
}

TEST("who skips through a body has but so much of a worker's time for what is published ahead")
{
	struct coax_context_stats stats;
	struct asked asked;
	uint64_t since, ms;

	begin();
	since = coax_now();
	for (uint32_t number = 0; number < 60000; number += number < 1000 ? 100 : 300) {
		ask_block(&asked, "image", number, 0);
		ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
	}
	ms = (coax_now() - since) / 1000000 + 1;
	coax_context_stats_read(context, &stats);
	EXPECT_GT(stats.published, (uint64_t)2000);
	EXPECT_LT(stats.published, 4096 + 1000 * ms / 16 + 500);
	end();
}

TEST("each block from the kernel is what userspace sends, to who fetches and who does not")
{
	struct asked asked;

	begin();
	fetch_image(5, false, 200);
	for (uint32_t number = 0; number < 200; number += 7) {
		ask_block(&asked, "image", number, 5);
		expect_from_kernel(&asked, COAX_CONTENT);
	}
	/* Another client, who is in the middle of nothing. */
	close(userspace);
	userspace = client_open(LAB_SERVER_IPV4, PORT);
	for (uint32_t number = 199; number > 180; number--) {
		ask_block(&asked, "image", number, 5);
		expect_from_kernel(&asked, COAX_CONTENT);
	}
	end();
}

TEST("a change withdraws all blocks before it is acknowledged")
{
	struct asked asked;

	begin();
	fetch_image(6, true, 60);
	change("image");
	for (uint32_t number = 0; number < 200; number++) {
		ask_block(&asked, "image", number, 6);
		EXPECT_EQ(kernel_says(&asked), 0);
	}
	ask(&asked, COAX_GET, "image");
	EXPECT_EQ(kernel_says(&asked), 0);
	fetch_image(6, true, 60);
	end();
}

TEST("who is in the middle of what is replaced gets the rest, which is not published")
{
	struct asked asked;
	uint8_t old[1024];
	size_t length;

	begin();
	ask(&asked, COAX_GET, "image");
	ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
	memcpy(old, image + 1024, sizeof(old));
	change("image");
	ask_block(&asked, "image", 1, 6);
	ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
	EXPECT_MEMEQ(coax_message_payload(&asked.reply, &length), old, sizeof(old));
	for (uint32_t number = 1; number < 20; number++) {
		ask_block(&asked, "image", number, 6);
		EXPECT_EQ(kernel_says(&asked), 0);
	}
	end();
}

TEST("who was given the new beginning by the kernel does not get the old end from userspace")
{
	struct asked asked;
	const uint8_t *payload;
	int other, first;
	size_t length;

	begin();
	first = userspace;
	ask(&asked, COAX_GET, "image");
	ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
	for (uint32_t number = 1; number < 4; number++) {
		ask_block(&asked, "image", number, 6);
		ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
	}
	change("image");
	other = userspace = client_open(LAB_SERVER_IPV4, PORT);
	ask(&asked, COAX_GET, "image");
	ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
	/* Now the first one begins again, with the kernel. */
	ask(&asked, COAX_GET, "image");
	EXPECT_EQ(kernel_says(&asked), COAX_CONTENT);
	userspace = first;
	ask_block(&asked, "image", 1, 6);
	EXPECT_EQ(kernel_says(&asked), 0);
	ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
	payload = coax_message_payload(&asked.reply, &length);
	EXPECT_MEMEQ(payload, image + 1024, length);
	close(other);
	end();
}

TEST("blocks under an ETag that is made for one client are not published")
{
	struct asked asked;

	begin();
	ask(&asked, COAX_GET, "nameless");
	ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
	ask_block(&asked, "nameless", 1, 6);
	ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
	EXPECT_EQ(kernel_says(&asked), 0);
	ask(&asked, COAX_GET, "nameless");
	EXPECT_EQ(kernel_says(&asked), 0);
	end();
}

TEST("once a Site has been exchanged, what is fetched of the former is not published")
{
	struct coax_site *former;
	struct asked asked;

	begin();
	ask(&asked, COAX_GET, "image");
	ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
	former = site;
	site = create_site();
	coax_context_set_site(context, site);
	ask_block(&asked, "image", 1, 6);
	ASSERT_EQ(userspace_says(&asked), COAX_CONTENT);
	EXPECT_EQ(kernel_says(&asked), 0);
	coax_site_destroy(former);
	end();
}

static void add_etag(struct asked *asked, const struct coax_message *response)
{
	struct coax_option etag;

	ASSERT_TRUE(coax_message_find(response, COAX_ETAG, &etag));
	ASSERT_EQ(coax_message_add(&asked->request, COAX_ETAG, etag.value, etag.length), 0);
}

TEST("with a representation the kernel knows that it is still so, until it is not")
{
	static const char *const paths[] = {"text", "image"};
	struct asked got, asked;

	begin();
	for (size_t i = 0; i < 2; i++) {
		ask(&got, COAX_GET, paths[i]);
		ASSERT_EQ(userspace_says(&got), COAX_CONTENT);
		ask(&asked, COAX_GET, paths[i]);
		add_etag(&asked, &got.reply);
		expect_from_kernel(&asked, COAX_VALID);
		change(paths[i]);
		EXPECT_EQ(kernel_says(&asked), 0);
		EXPECT_EQ(userspace_says(&asked), COAX_CONTENT);
		ask(&asked, COAX_GET, paths[i]);
		add_etag(&asked, &got.reply);
		expect_from_kernel(&asked, COAX_CONTENT);
	}
	end();
}

TEST("a FETCH is answered by the kernel, each payload for itself, until the resource changes")
{
	struct asked one, other;

	begin();
	ask(&one, COAX_FETCH, "f");
	coax_message_set_payload(&one.request, "one", 3);
	ask(&other, COAX_FETCH, "f");
	coax_message_set_payload(&other.request, "two", 3);
	EXPECT_EQ(userspace_says(&one), COAX_CONTENT);
	EXPECT_EQ(kernel_says(&other), 0);
	EXPECT_EQ(userspace_says(&other), COAX_CONTENT);
	expect_from_kernel(&one, COAX_CONTENT);
	expect_from_kernel(&other, COAX_CONTENT);
	change("f");
	EXPECT_EQ(kernel_says(&one), 0);
	EXPECT_EQ(kernel_says(&other), 0);
	end();
}

TEST("what does not exist is refused by the kernel, until it does")
{
	struct asked missing, no_method;

	begin();
	ask(&missing, COAX_GET, "new");
	EXPECT_EQ(kernel_says(&missing), 0);
	EXPECT_EQ(userspace_says(&missing), COAX_NOT_FOUND);
	expect_from_kernel(&missing, COAX_NOT_FOUND);
	ask(&no_method, COAX_GET, "put-new");
	EXPECT_EQ(userspace_says(&no_method), COAX_METHOD_NOT_ALLOWED);
	expect_from_kernel(&no_method, COAX_METHOD_NOT_ALLOWED);
	change("put-new");
	EXPECT_EQ(kernel_says(&missing), 0);
	ask(&missing, COAX_GET, "new");
	EXPECT_EQ(userspace_says(&missing), COAX_CONTENT);
	expect_from_kernel(&missing, COAX_CONTENT);
	end();
}

TEST("/.well-known/core comes from the kernel with each filter, until resources come or go")
{
	static const char *const paths[] = {".well-known/core", ".well-known/core?href=/t*"};
	struct asked asked[2];

	begin();
	for (size_t i = 0; i < 2; i++) {
		ask(&asked[i], COAX_GET, paths[i]);
		EXPECT_EQ(userspace_says(&asked[i]), COAX_CONTENT);
		expect_from_kernel(&asked[i], COAX_CONTENT);
	}
	change("image");
	EXPECT_EQ(kernel_says(&asked[0]), COAX_CONTENT);
	change("put-new");
	EXPECT_EQ(kernel_says(&asked[0]), 0);
	EXPECT_EQ(kernel_says(&asked[1]), 0);
	ask(&asked[0], COAX_GET, paths[0]);
	EXPECT_EQ(userspace_says(&asked[0]), COAX_CONTENT);
	expect_from_kernel(&asked[0], COAX_CONTENT);
	end();
}

TEST("a scan for names that do not exist ends in the kernel, and takes nobody's place")
{
	static const char *const hot[] = {"text", "image", ".well-known/core"};
	struct asked asked;
	char path[16];

	begin();
	for (size_t i = 0; i < 3; i++) {
		ask(&asked, COAX_GET, hot[i]);
		EXPECT_EQ(userspace_says(&asked), COAX_CONTENT);
		EXPECT_EQ(kernel_says(&asked), COAX_CONTENT);
	}
	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "no%d", i);
		ask(&asked, COAX_GET, path);
		EXPECT_EQ(userspace_says(&asked), COAX_NOT_FOUND);
		EXPECT_EQ(kernel_says(&asked), COAX_NOT_FOUND);
	}
	for (size_t i = 0; i < 3; i++) {
		ask(&asked, COAX_GET, hot[i]);
		EXPECT_EQ(kernel_says(&asked), COAX_CONTENT);
	}
	EXPECT_LE(keeper_entries("index"), 8192U / 8 + 20);
	end();
}

TEST_MAIN()
