// SPDX-License-Identifier: BSD-2-Clause
/*
 * Inputs on which CoAP servers have been seen to differ, crash or loop: what we answer is what the
 * RFC says, whichever half has the packet first. All go over the veth pair, through the XDP
 * program.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <linux/types.h>
#include <coax/coax.h>
#include "../harness.h"
#include "../client.h"
#include "../lab.h"

#define PORT 5683

/* What comes back: nothing, RST, or a response code. */
enum {
	SILENCE = -1,
	RST = 0
};

struct input {
	const char *name;
	const char *bytes;
	size_t length;
	int answer;
};

#define INPUT(name, bytes, answer)                     \
	{                                              \
		name, bytes, sizeof(bytes) - 1, answer \
	}

static struct {
	struct coax_context *context;
	struct coax_site *site;
	struct coax_resource *resource;
	int program;
	int fd; /* the client's socket */
	atomic_uint puts;
	atomic_uint posts;
} server;

static void get(struct coax_responder *responder, void *arg)
{
	static const uint8_t etag[] = {0xe7};
	struct coax_message *m = coax_responder_response(responder);

	(void)arg;
	coax_message_add(m, COAX_ETAG, etag, sizeof(etag));
	coax_message_add_uint(m, COAX_CONTENT_FORMAT, COAX_FORMAT_TEXT_PLAIN);
	coax_message_set_payload(m, "hello", 5);
	coax_respond(responder, COAX_CONTENT);
}

static void count(struct coax_responder *responder, void *arg)
{
	atomic_fetch_add((atomic_uint *)arg, 1);
	coax_resource_changed(server.resource);
	coax_respond(responder, COAX_CHANGED);
}

static void put(struct coax_responder *responder, void *arg)
{
	(void)arg;
	count(responder, &server.puts);
}

static void post(struct coax_responder *responder, void *arg)
{
	(void)arg;
	count(responder, &server.posts);
}

static void begin(void)
{
	struct coax_resource_options resource = {
		.path = "r",
		.get = get,
		.put = put,
		.post = post,
		.cacheable = true,
		.format_count = 1, /* text/plain */
	};
	struct coax_context_options options = lab_options();

	lab_begin();
	ASSERT_EQ(coax_site_create(&server.site), 0);
	ASSERT_EQ(coax_site_add(server.site, &resource, &server.resource), 0);
	options.site = server.site;
	options.logger.from = COAX_LOG_ERROR;
	server.context = context_open(options);
	server.program = lab_program();
	server.fd = lab_client_open();
}

static void end(void)
{
	close(server.fd);
	coax_context_shutdown(server.context);
	coax_site_destroy(server.site);
}

/*
 * Send, and a POST to nowhere behind it: when that is answered, by userspace, all that came before
 * has been. Returns the length of the one answer before that, 0 for none.
 */
static ssize_t ask(const void *bytes, size_t length, uint8_t *reply, size_t size)
{
	static uint8_t barrier[] = {0x42, 0x02, 0xba, 0x56, 0, 0, 0xb1, 'x'};
	uint8_t buffer[1280];
	ssize_t result = 0, got;
	int answers = 0;

	barrier[5]++;
	ASSERT_EQ(send(server.fd, bytes, length, 0), (ssize_t)length);
	ASSERT_EQ(send(server.fd, barrier, sizeof(barrier), 0), (ssize_t)sizeof(barrier));
	while ((got = client_receive(server.fd, buffer, sizeof(buffer))) >= 0) {
		if (got >= 6 && !memcmp(buffer + 2, barrier + 2, 4))
			break;
		ASSERT_LE((size_t)got, size);
		memcpy(reply, buffer, (size_t)got);
		result = got;
		answers++;
	}
	ASSERT_GE(got, 0);
	EXPECT_LE(answers, 1);
	return result;
}

static int answer_of(const uint8_t *reply, ssize_t length)
{
	if (!length)
		return SILENCE;
	return (reply[0] & 0x30) == 0x30 ? RST : reply[1];
}

static void expect_token(const struct input *input, const uint8_t *reply, size_t length)
{
	struct coax_message request, response;

	ASSERT_EQ(coax_message_parse(&request, input->bytes, input->length), 0);
	ASSERT_EQ(coax_message_parse(&response, reply, length), 0);
	ASSERT_EQ(coax_message_token_length(&response), coax_message_token_length(&request));
	EXPECT_MEMEQ(coax_message_token(&response), coax_message_token(&request),
		     coax_message_token_length(&request));
}

static void expect_answer(const struct input *input)
{
	uint8_t reply[1280], kernel[1280];
	ssize_t length = ask(input->bytes, input->length, reply, sizeof(reply));
	ssize_t from_kernel;
	int answer = answer_of(reply, length);

	if (answer != input->answer) {
		HARNESS_SAY("%s: wanted %d, got %d", input->name, input->answer, answer);
		harness_failed = 1;
	}
	if (answer == RST) {
		/* RFC 7252 section 4.2: empty, with the message ID of what it rejects. */
		EXPECT_EQ(length, (ssize_t)4);
		EXPECT_EQ(reply[0], 0x70);
		EXPECT_EQ(reply[1], 0);
		EXPECT_MEMEQ(reply + 2, input->bytes + 2, 2);
	} else if (answer != SILENCE) {
		expect_token(input, reply, (size_t)length);
	}
	from_kernel = lab_ask(server.program, input->bytes, input->length, kernel, sizeof(kernel));
	if (from_kernel < 0) {
		EXPECT_EQ(answer, SILENCE);
	} else if (from_kernel > 0) {
		EXPECT_EQ(from_kernel, length);
		EXPECT_MEMEQ(kernel, reply, (size_t)length);
	}
}

static void expect_answers(const struct input *inputs, size_t count_of)
{
	begin();
	for (size_t i = 0; i < count_of; i++)
		expect_answer(&inputs[i]);
	EXPECT_EQ(server.puts, 0U);
	EXPECT_EQ(server.posts, 0U);
	end();
}

#define EXPECT_ANSWERS(inputs) expect_answers(inputs, sizeof(inputs) / sizeof((inputs)[0]))

TEST("what is shorter than a header is ignored")
{
	static const struct input inputs[] = {
		INPUT("0 bytes", "", SILENCE),
		INPUT("1 byte", "\x40", SILENCE),
		INPUT("2 bytes", "\x40\x01", SILENCE),
		INPUT("3 bytes", "\x40\x01\x12", SILENCE),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("a message of another version is ignored silently")
{
	static const struct input inputs[] = {
		INPUT("version 0", "\x00\x01\x12\x34\xb1r", SILENCE),
		INPUT("version 2", "\x80\x01\x12\x34\xb1r", SILENCE),
		INPUT("version 3", "\xc0\x01\x12\x34\xb1r", SILENCE),
		INPUT("ping, version 2", "\x80\x00\x12\x34", SILENCE),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("a token of more than 8 bytes is echoed, as RFC 8974 has it")
{
	static const struct input inputs[] = {
		INPUT("9",
		      "\x49\x01\x12\x34"
		      "123456789\xb1r",
		      COAX_CONTENT),
		INPUT("12",
		      "\x4c\x01\x12\x35"
		      "123456789abc\xb1r",
		      COAX_CONTENT),
		INPUT("13",
		      "\x4d\x01\x12\x36\0"
		      "123456789abcd\xb1r",
		      COAX_CONTENT),
		INPUT("14",
		      "\x4d\x01\x12\x37\1"
		      "123456789abcde\xb1r",
		      COAX_CONTENT),
		INPUT("9 in a NON",
		      "\x59\x01\x12\x38"
		      "123456789\xb1r",
		      COAX_CONTENT),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("a token length of 15, or one whose bytes are missing, is a message format error")
{
	static const struct input inputs[] = {
		INPUT("13 and no more bytes", "\x4d\x01\x12\x34", RST),
		INPUT("13 of 0 bytes", "\x4d\x01\x12\x34\0", RST),
		INPUT("14 and no more bytes", "\x4e\x01\x12\x34", RST),
		INPUT("14 and one more byte", "\x4e\x01\x12\x34\0", RST),
		INPUT("65804 of 3 bytes", "\x4e\x01\x12\x34\xff\xff\xb1r", RST),
		INPUT("15",
		      "\x4f\x01\x12\x34"
		      "123456789abcdef\xb1r",
		      RST),
		INPUT("8 of 4 bytes",
		      "\x48\x01\x12\x34"
		      "1234",
		      RST),
		INPUT("9 of 8 bytes",
		      "\x49\x01\x12\x34"
		      "12345678",
		      RST),
		INPUT("15 in a NON",
		      "\x5f\x01\x12\x34"
		      "123456789\xb1r",
		      SILENCE),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("an Empty message with a token or more behind it is a message format error")
{
	static const struct input inputs[] = {
		INPUT("token",
		      "\x41\x00\x12\x34"
		      "t",
		      RST),
		INPUT("payload", "\x40\x00\x12\x34\xffx", RST),
		INPUT("option", "\x40\x00\x12\x34\xb1r", RST),
		INPUT("in a NON",
		      "\x51\x00\x12\x34"
		      "t",
		      SILENCE),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("a ping is answered with RST")
{
	static const struct input inputs[] = {
		INPUT("CON", "\x40\x00\x12\x34", RST),
		INPUT("NON", "\x50\x00\x12\x34", SILENCE),
		INPUT("ACK", "\x60\x00\x12\x34", SILENCE),
		INPUT("RST", "\x70\x00\x12\x34", SILENCE),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("codes of reserved classes are rejected")
{
	static const struct input inputs[] = {
		INPUT("1.00", "\x40\x20\x12\x34", RST),
		INPUT("6.01", "\x40\xc1\x12\x34", RST),
		INPUT("7.31", "\x40\xff\x12\x34", RST),
		INPUT("7.31 in a NON", "\x50\xff\x12\x34", SILENCE),
		INPUT("1.00 in an ACK", "\x60\x20\x12\x34", SILENCE),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("a response that answers nothing is rejected, and nothing comes of it")
{
	static const struct input inputs[] = {
		INPUT("CON 2.05", "\x40\x45\x12\x34\xffx", RST),
		INPUT("CON 4.04", "\x41\x84\x12\x35t", RST),
		INPUT("NON 2.05", "\x50\x45\x12\x36\xffx", SILENCE),
		INPUT("ACK 2.05", "\x60\x45\x12\x37\xffx", SILENCE),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("a payload marker without payload is a message format error")
{
	static const struct input inputs[] = {
		INPUT("GET", "\x40\x01\x12\x34\xb1r\xff", RST),
		INPUT("PUT", "\x40\x03\x12\x35\xb1r\xff", RST),
		INPUT("NON GET", "\x50\x01\x12\x36\xb1r\xff", SILENCE),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("an option that is cut short or reserved is a message format error")
{
	static const struct input inputs[] = {
		INPUT("delta 15", "\x40\x03\x12\x01\xb1r\xf1x", RST),
		INPUT("length 15", "\x40\x03\x12\x02\xb1r\x1fx", RST),
		INPUT("delta 13, no byte", "\x40\x03\x12\x03\xb1r\xd0", RST),
		INPUT("delta 14, one byte", "\x40\x03\x12\x04\xb1r\xe0\x01", RST),
		INPUT("length 13, no byte", "\x40\x03\x12\x05\xb1r\x0d", RST),
		INPUT("length 14, one byte", "\x40\x03\x12\x06\xb1r\x0e\x01", RST),
		INPUT("value past the end", "\x40\x03\x12\x07\xb5r", RST),
		INPUT("NON", "\x50\x03\x12\x08\xb5r", SILENCE),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("option numbers and lengths do not wrap")
{
	static const struct input inputs[] = {
		INPUT("number 65804", "\x40\x03\x12\x01\xb1r\xe0\xff\xff", RST),
		INPUT("number 65536 + 11 is not Uri-Path", "\x40\x03\x12\x02\xe1\xfe\xfer", RST),
		INPUT("length 65804", "\x40\x03\x12\x03\xbe\xff\xffr", RST),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("a malformed ACK or RST is never answered")
{
	static const struct input inputs[] = {
		INPUT("ACK, token length 15",
		      "\x6f\x45\x12\x34"
		      "123456789abcdef",
		      SILENCE),
		INPUT("ACK, token length 13 and no more bytes", "\x6d\x45\x12\x34", SILENCE),
		INPUT("ACK, marker without payload", "\x60\x45\x12\x34\xff", SILENCE),
		INPUT("ACK, option past the end", "\x60\x45\x12\x34\xb5r", SILENCE),
		INPUT("ACK, empty with a token", "\x61\x00\x12\x34t", SILENCE),
		INPUT("RST with a token", "\x71\x00\x12\x34t", SILENCE),
		INPUT("RST with a code", "\x70\x01\x12\x34\xb1r", SILENCE),
		INPUT("ACK with a request", "\x60\x03\x12\x34\xb1r", SILENCE),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("a critical option that is repeated, unknown or too long is 4.02, and nothing is executed")
{
	static const struct input inputs[] = {
		INPUT("two Accept", "\x40\x01\x12\x01\xb1r\x60\x00", COAX_BAD_OPTION),
		INPUT("two Uri-Host", "\x40\x01\x12\x02\x31h\x01i\x81r", COAX_BAD_OPTION),
		INPUT("option 9", "\x40\x03\x12\x03\x90\x21r", COAX_BAD_OPTION),
		INPUT("option 65001", "\x40\x03\x12\x04\xb1r\xe0\xfc\xd1", COAX_BAD_OPTION),
		INPUT("Accept of 3 bytes",
		      "\x40\x01\x12\x05\xb1r\x63"
		      "abc",
		      COAX_BAD_OPTION),
		INPUT("Uri-Port of 3 bytes",
		      "\x40\x01\x12\x06\x73"
		      "abc\x41r",
		      COAX_BAD_OPTION),
		INPUT("If-Match that no handler minds", "\x40\x03\x12\x07\x10\xa1r",
		      COAX_BAD_OPTION),
		INPUT("two Block1", "\x40\x03\x12\x08\xb1r\xd1\x03\x08\x01\x08\xffx",
		      COAX_BAD_OPTION),
		INPUT("an unknown elective one is ignored", "\x40\x01\x12\x09\xb1r\xe0\xfc\xd2",
		      COAX_CONTENT),
		INPUT("Proxy-Uri",
		      "\x40\x01\x12\x0a\xd3\x16"
		      "a:b",
		      COAX_PROXYING_NOT_SUPPORTED),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("a message ID that is used again with other bytes is another message")
{
	static const struct input inputs[] = {
		INPUT("first",
		      "\x41\x01\x12\x34"
		      "1\xb1r",
		      COAX_CONTENT),
		INPUT("other token",
		      "\x41\x01\x12\x34"
		      "2\xb1r",
		      COAX_CONTENT),
		INPUT("other method",
		      "\x41\x04\x12\x34"
		      "1\xb1r",
		      COAX_METHOD_NOT_ALLOWED),
		INPUT("other path",
		      "\x41\x01\x12\x34"
		      "1\xb1s",
		      COAX_NOT_FOUND),
		INPUT("other type",
		      "\x51\x01\x12\x34"
		      "1\xb1r",
		      COAX_CONTENT),
		INPUT("Empty", "\x40\x00\x12\x34", RST),
		INPUT("an acknowledgement of nothing", "\x60\x00\x12\x34", SILENCE),
		INPUT("same token, other message ID",
		      "\x41\x01\x12\x35"
		      "1\xb1r",
		      COAX_CONTENT),
	};

	EXPECT_ANSWERS(inputs);
}

TEST("a duplicate runs its handler once and gets the same answer")
{
	static const char request[] = "\x41\x03\x12\x34"
				      "1\xb1r\xffx";
	static const char confirmable[] = "\x41\x02\x12\x35"
					  "1\xb1r\xffx";
	static const char other[] = "\x51\x02\x12\x36"
				    "1\xb1r\xffx";
	uint8_t first[64], again[64];
	ssize_t length;

	begin();
	length = ask(request, sizeof(request) - 1, first, sizeof(first));
	ASSERT_GT(length, (ssize_t)0);
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(ask(request, sizeof(request) - 1, again, sizeof(again)), length);
		EXPECT_MEMEQ(again, first, (size_t)length);
	}
	EXPECT_EQ(server.puts, 1U);

	for (int i = 0; i < 5; i++) {
		ASSERT_GT(ask(confirmable, sizeof(confirmable) - 1, again, sizeof(again)),
			  (ssize_t)0);
		EXPECT_EQ(again[1], COAX_CHANGED);
	}
	EXPECT_EQ(server.posts, 1U);

	/* RFC 7252 section 4.5: a duplicate NON is ignored. */
	EXPECT_GT(ask(other, sizeof(other) - 1, again, sizeof(again)), (ssize_t)0);
	EXPECT_EQ(ask(other, sizeof(other) - 1, again, sizeof(again)), (ssize_t)0);
	EXPECT_EQ(server.posts, 2U);
	end();
}

/* Requests that have most in common with one that the kernel half answers. */
TEST("a cached GET and one that differs in an option each get their own answer")
{
	static const char cached[] = "\x41\x01\x12\x33"
				     "1\xb1r";
	static const struct input inputs[] = {
		INPUT("Accept: 0",
		      "\x41\x01\x12\x01"
		      "1\xb1r\x60",
		      COAX_CONTENT),
		INPUT("Accept: 50",
		      "\x41\x01\x12\x02"
		      "1\xb1r\x61\x32",
		      COAX_NOT_ACCEPTABLE),
		INPUT("ETag that matches",
		      "\x41\x01\x12\x03"
		      "1\x41\xe7\x71r",
		      COAX_VALID),
		INPUT("ETag that does not",
		      "\x41\x01\x12\x04"
		      "1\x41\xe8\x71r",
		      COAX_CONTENT),
		INPUT("Uri-Host",
		      "\x41\x01\x12\x05"
		      "1\x31h\x81r",
		      COAX_CONTENT),
		INPUT("Uri-Port",
		      "\x41\x01\x12\x06"
		      "1\x72\x16\x33\x41r",
		      COAX_CONTENT),
		INPUT("queries",
		      "\x41\x01\x12\x07"
		      "1\xb1r\x41"
		      "a\x01"
		      "b",
		      COAX_CONTENT),
		INPUT("queries, turned",
		      "\x41\x01\x12\x08"
		      "1\xb1r\x41"
		      "b\x01"
		      "a",
		      COAX_CONTENT),
		INPUT("Proxy-Scheme",
		      "\x41\x01\x12\x09"
		      "1\xb1r\xd1\x0fs",
		      COAX_PROXYING_NOT_SUPPORTED),
		INPUT("Echo",
		      "\x41\x01\x12\x0a"
		      "1\xb1r\xd1\xe4x",
		      COAX_CONTENT),
		INPUT("Size2",
		      "\x41\x01\x12\x0b"
		      "1\xb1r\xd0\x04",
		      COAX_CONTENT),
		INPUT("Block2",
		      "\x41\x01\x12\x0c"
		      "1\xb1r\xc1\x06",
		      COAX_CONTENT),
		INPUT("Observe",
		      "\x41\x01\x12\x0d"
		      "1\x60\x51r",
		      COAX_CONTENT),
		INPUT("OSCORE",
		      "\x41\x01\x12\x0e"
		      "1\x90\x21r",
		      COAX_BAD_OPTION),
		INPUT("an empty segment more",
		      "\x41\x01\x12\x0f"
		      "1\xb1r\x00",
		      COAX_NOT_FOUND),
		INPUT("a payload",
		      "\x41\x01\x12\x10"
		      "1\xb1r\xffx",
		      COAX_CONTENT),
		INPUT("If-None-Match",
		      "\x41\x01\x12\x11"
		      "1\x50\x61r",
		      COAX_BAD_OPTION),
		INPUT("an unknown NoCacheKey option",
		      "\x41\x01\x12\x12"
		      "1\xb1r\xd0\x64",
		      COAX_CONTENT),
	};
	uint8_t reply[64];

	begin();
	ASSERT_GT(ask(cached, sizeof(cached) - 1, reply, sizeof(reply)), (ssize_t)0);
	ASSERT_GT(lab_ask(server.program, cached, sizeof(cached) - 1, reply, sizeof(reply)),
		  (ssize_t)0);
	/* Twice: what the first round has published must be right for the second. */
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
			expect_answer(&inputs[i]);
	end();
}

TEST("what the kernel half must not answer it never does, however often userspace has")
{
	static const struct input inputs[] = {
		INPUT("Observe: 0",
		      "\x41\x01\x12\x01"
		      "1\x60\x51r",
		      COAX_CONTENT),
		INPUT("Observe: 1",
		      "\x41\x01\x12\x02"
		      "1\x61\x01\x51r",
		      COAX_CONTENT),
		INPUT("OSCORE",
		      "\x41\x01\x12\x03"
		      "1\x90\x21r",
		      COAX_BAD_OPTION),
		INPUT("Echo",
		      "\x41\x01\x12\x04"
		      "1\xb1r\xd1\xe4x",
		      COAX_CONTENT),
		INPUT("No-Response",
		      "\x41\x01\x12\x05"
		      "1\xb1r\xd0\xea",
		      COAX_CONTENT),
		INPUT("Hop-Limit",
		      "\x41\x01\x12\x06"
		      "1\xb1r\x51\x10",
		      COAX_CONTENT),
		INPUT("a query that the resource has not said to be cacheable",
		      "\x41\x01\x12\x07"
		      "1\xb1r\x41"
		      "a",
		      COAX_CONTENT),
		INPUT("PUT",
		      "\x41\x03\x12\x08"
		      "1\xb1r\xffx",
		      COAX_CHANGED),
	};
	uint8_t reply[1280];

	begin();
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
			expect_answer(&inputs[i]);
			EXPECT_EQ(lab_ask(server.program, inputs[i].bytes, inputs[i].length, reply,
					  sizeof(reply)),
				  (ssize_t)0);
		}
	end();
}

TEST_MAIN()
