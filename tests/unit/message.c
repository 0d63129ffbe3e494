// SPDX-License-Identifier: BSD-2-Clause
/* The message format of RFC 7252 section 3 and RFC 8974 section 2.1, read. */
#include "../harness.h"

#include <coax/message.h>
#include <coax/option.h>

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__})

struct parse_case {
	const char *what;
	uint8_t bytes[24];
	size_t length;
	int result;
};

static void check_parse_cases(const struct parse_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct coax_message m;
		/* An allocation of just this size, so that a sanitizer sees each byte too many. */
		uint8_t *data = malloc(cases[i].length + !cases[i].length);
		int result;

		memcpy(data, cases[i].bytes, cases[i].length);
		result = coax_message_parse(&m, data, cases[i].length);
		if (result != cases[i].result) {
			HARNESS_SAY("%s: got %d, wanted %d", cases[i].what, result,
				    cases[i].result);
			harness_failed = 1;
		}
		EXPECT_EQ(m.error != NULL, result != 0);
		EXPECT_EQ(m.flaw != COAX_FLAW_NONE, result != 0);
		free(data);
	}
}

#define CHECK_PARSE(cases) check_parse_cases(cases, sizeof(cases) / sizeof((cases)[0]))

TEST("fewer than four bytes are no message")
{
	static const struct parse_case cases[] = {
		{"nothing", {0}, 0, -ENODATA},
		{"one byte", {0x40}, 1, -ENODATA},
		{"three bytes", {0x40, 0x01, 0x12}, 3, -ENODATA},
		{"three bytes of version 3", {0xc0, 0x01, 0x12}, 3, -ENODATA},
	};

	CHECK_PARSE(cases);
}

TEST("versions other than 1 are told apart from format errors, whatever follows")
{
	static const struct parse_case cases[] = {
		{"version 0", {0x00, 0x01, 0x12, 0x34}, 4, -EPROTONOSUPPORT},
		{"version 2", {0x80, 0x01, 0x12, 0x34}, 4, -EPROTONOSUPPORT},
		{"version 3", {0xc0, 0x00, 0x12, 0x34}, 4, -EPROTONOSUPPORT},
		{"version 2, reserved token length", {0x8f, 0x01, 0, 1}, 4, -EPROTONOSUPPORT},
		{"version 0, empty with payload", {0x00, 0, 0, 1, 0xff, 1}, 6, -EPROTONOSUPPORT},
		{"version 3, bad option", {0xc0, 1, 0, 1, 0xf0}, 5, -EPROTONOSUPPORT},
	};

	CHECK_PARSE(cases);
}

TEST("a token of 0 to 12 bytes is accepted, a truncated one is a format error")
{
	for (unsigned int length = 0; length <= 12; length++) {
		uint8_t data[4 + 12] = {(uint8_t)(0x40 | length), 0x01, 0x12, 0x34};
		struct coax_message m;

		EXPECT_EQ(coax_message_parse(&m, data, 4 + length), 0);
		EXPECT_EQ(coax_message_token_length(&m), length);
		EXPECT_TRUE(coax_message_token(&m) == data + 4);
		if (length)
			EXPECT_EQ(coax_message_parse(&m, data, 4 + length - 1), -EBADMSG);
	}
}

TEST("a token length of 15 is a format error, and so are 13 and 14 without all that they promise")
{
	static const struct parse_case cases[] = {
		{"15, nothing more", {0x4f, 1, 0, 1}, 4, -EBADMSG},
		{"15 bytes of 15", {0x4f, 1, 0, 1}, 4 + 15, -EBADMSG},
		{"15 and an extension", {0x4f, 1, 0, 1, 0, 0}, 24, -EBADMSG},
		{"13, no extension", {0x4d, 1, 0, 1}, 4, -EBADMSG},
		{"13, no token", {0x4d, 1, 0, 1, 0}, 5, -EBADMSG},
		{"13, one byte short", {0x4d, 1, 0, 1, 0}, 5 + 12, -EBADMSG},
		{"13, whole", {0x4d, 1, 0, 1, 0}, 5 + 13, 0},
		{"13, of 14 bytes", {0x4d, 1, 0, 1, 1}, 5 + 14, 0},
		{"13, of 14, one short", {0x4d, 1, 0, 1, 1}, 5 + 13, -EBADMSG},
		{"13, of 268 bytes", {0x4d, 1, 0, 1, 255}, 24, -EBADMSG},
		{"14, no extension", {0x4e, 1, 0, 1}, 4, -EBADMSG},
		{"14, half an extension", {0x4e, 1, 0, 1, 0}, 5, -EBADMSG},
		{"14, no token", {0x4e, 1, 0, 1, 0, 0}, 6, -EBADMSG},
		{"14, of 65804 bytes", {0x4e, 1, 0, 1, 255, 255}, 24, -EBADMSG},
		{"14, a length that wraps to 0", {0x4e, 1, 0, 1, 0xfe, 0xf3}, 6, -EBADMSG},
		{"13 in an empty message", {0x4d, 0, 0, 1, 0}, 5 + 13, -EBADMSG},
		{"14 in an empty message", {0x4e, 0, 0, 1}, 4, -EBADMSG},
	};

	CHECK_PARSE(cases);
}

TEST("type and message ID can be read whatever the token length field promises")
{
	for (unsigned int field = 13; field <= 15; field++) {
		uint8_t *data = malloc(4);
		struct coax_message m;
		struct coax_option_iterator it;
		struct coax_option option;

		memcpy(data, BYTES((uint8_t)(0x70 | field), 0x01, 0xbe, 0xef), 4);
		ASSERT_EQ(coax_message_parse(&m, data, 4), -EBADMSG);
		EXPECT_EQ((int)coax_message_type(&m), COAX_TYPE_RST);
		EXPECT_EQ(coax_message_id(&m), 0xbeef);
		it = coax_options_begin(&m);
		EXPECT_FALSE(coax_options_next(&it, &option));
		free(data);
	}
}

TEST("each token length takes the one encoding that RFC 8974 gives it")
{
	static const struct {
		uint32_t length;
		uint8_t field;
		uint8_t extension[2];
		uint32_t extension_length;
	} cases[] = {
		{8, 8, {0}, 0},
		{9, 9, {0}, 0},
		{12, 12, {0}, 0},
		{13, 13, {0}, 1},
		{14, 13, {1}, 1},
		{128, 13, {115}, 1},
		{268, 13, {255}, 1},
		{269, 14, {0, 0}, 2},
		{270, 14, {0, 1}, 2},
		{1000, 14, {0x02, 0xdb}, 2},
		{65804, 14, {255, 255}, 2},
	};
	static uint8_t token[65805];

	for (size_t i = 0; i < sizeof(token); i++)
		token[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t length = cases[i].length, before = 4 + cases[i].extension_length;
		uint8_t *buffer = malloc(before + length + 4);
		struct coax_message m, parsed;
		struct coax_option option;
		const uint8_t *rest;
		size_t rest_length;

		EXPECT_EQ(coax_message_start(&m, buffer, before + length - 1, COAX_TYPE_CON,
					     COAX_GET, 1, token, length),
			  -EMSGSIZE);
		ASSERT_EQ(coax_message_start(&m, buffer, before + length + 4, COAX_TYPE_CON,
					     COAX_GET, 1, token, length),
			  0);
		EXPECT_EQ(m.length, before + length);
		EXPECT_EQ(buffer[0], 0x40 | cases[i].field);
		EXPECT_MEMEQ(buffer + 4, cases[i].extension, cases[i].extension_length);
		ASSERT_EQ(coax_message_set_payload(&m, "p", 1), 0);
		ASSERT_EQ(coax_message_add_string(&m, COAX_URI_PATH, "a"), 0);

		ASSERT_EQ(coax_message_parse(&parsed, buffer, m.length), 0);
		ASSERT_EQ(coax_message_token_length(&parsed), length);
		EXPECT_TRUE(coax_message_token(&parsed) == buffer + before);
		EXPECT_MEMEQ(coax_message_token(&parsed), token, length);
		ASSERT_TRUE(coax_message_find(&parsed, COAX_URI_PATH, &option));
		EXPECT_TRUE(option.value == buffer + before + length + 1);
		rest = coax_message_rest(&parsed, &rest_length);
		ASSERT_EQ(rest_length, 4u);
		EXPECT_MEMEQ(rest, BYTES(0xb1, 'a', 0xff, 'p'), 4);
		/* It may end behind the token, but not in it. */
		EXPECT_EQ(coax_message_parse(&parsed, buffer, before + length), 0);
		EXPECT_EQ(coax_message_parse(&parsed, buffer, before + length - 1), -EBADMSG);
		free(buffer);
	}
}

TEST("an empty message is exactly four bytes")
{
	static const struct parse_case cases[] = {
		{"ping", {0x40, 0x00, 0x12, 0x34}, 4, 0},
		{"empty NON", {0x50, 0x00, 0x12, 0x34}, 4, 0},
		{"empty ACK", {0x60, 0x00, 0x12, 0x34}, 4, 0},
		{"reset", {0x70, 0x00, 0x12, 0x34}, 4, 0},
		{"with a token", {0x41, 0x00, 0x12, 0x34, 0xaa}, 5, -EBADMSG},
		{"with a missing token", {0x41, 0x00, 0x12, 0x34}, 4, -EBADMSG},
		{"with a reserved token length", {0x49, 0x00, 0x12, 0x34}, 4, -EBADMSG},
		{"with an option", {0x40, 0x00, 0x12, 0x34, 0xb0}, 5, -EBADMSG},
		{"with a payload", {0x40, 0x00, 0x12, 0x34, 0xff, 0x61}, 6, -EBADMSG},
		{"with a stray byte", {0x70, 0x00, 0x12, 0x34, 0x00}, 5, -EBADMSG},
	};

	CHECK_PARSE(cases);
}

TEST("all codes but 0.00 are accepted by the message format, reserved classes included")
{
	for (unsigned int code = 1; code <= 255; code++) {
		uint8_t data[] = {0x40, (uint8_t)code, 0x12, 0x34};
		struct coax_message m;

		EXPECT_EQ(coax_message_parse(&m, data, sizeof(data)), 0);
		EXPECT_EQ(coax_message_code(&m), code);
	}
}

TEST("a payload marker without a payload is a format error")
{
	static const struct parse_case cases[] = {
		{"at once", {0x40, 0x01, 0x12, 0x34, 0xff}, 5, -EBADMSG},
		{"after a token", {0x41, 0x01, 0x12, 0x34, 0xff, 0xff}, 6, -EBADMSG},
		{"after an option", {0x40, 0x01, 0x12, 0x34, 0xb1, 'a', 0xff}, 7, -EBADMSG},
		{"one byte behind it", {0x40, 0x01, 0x12, 0x34, 0xff, 0x00}, 6, 0},
		{"a second one is payload", {0x40, 0x01, 0x12, 0x34, 0xff, 0xff}, 6, 0},
		{"a token of it", {0x41, 0x01, 0x12, 0x34, 0xff}, 5, 0},
		{"a value of it", {0x40, 0x01, 0x12, 0x34, 0xb1, 0xff}, 6, 0},
	};

	CHECK_PARSE(cases);
}

TEST("option delta 15 and option length 15 are format errors")
{
	static const struct parse_case cases[] = {
		{"delta 15, length 0", {0x40, 1, 0, 1, 0xf0}, 5, -EBADMSG},
		{"delta 15, length 14", {0x40, 1, 0, 1, 0xfe, 0, 0, 0}, 8, -EBADMSG},
		{"delta 0, length 15", {0x40, 1, 0, 1, 0x0f}, 5, -EBADMSG},
		{"delta 13, length 15", {0x40, 1, 0, 1, 0xdf, 0, 0}, 7, -EBADMSG},
		{"delta 14, length 15", {0x40, 1, 0, 1, 0xef, 0, 0, 0}, 8, -EBADMSG},
		{"delta 15 after an option", {0x40, 1, 0, 1, 0xb0, 0xf1, 0}, 7, -EBADMSG},
	};

	CHECK_PARSE(cases);
}

TEST("extended deltas and lengths whose bytes are missing are format errors")
{
	static const struct parse_case cases[] = {
		{"delta 13, none", {0x40, 1, 0, 1, 0xd0}, 5, -EBADMSG},
		{"delta 13, whole", {0x40, 1, 0, 1, 0xd0, 0}, 6, 0},
		{"delta 14, none", {0x40, 1, 0, 1, 0xe0}, 5, -EBADMSG},
		{"delta 14, one", {0x40, 1, 0, 1, 0xe0, 0}, 6, -EBADMSG},
		{"delta 14, whole", {0x40, 1, 0, 1, 0xe0, 0, 0}, 7, 0},
		{"length 13, none", {0x40, 1, 0, 1, 0x0d}, 5, -EBADMSG},
		{"length 14, none", {0x40, 1, 0, 1, 0x0e}, 5, -EBADMSG},
		{"length 14, one", {0x40, 1, 0, 1, 0x0e, 0}, 6, -EBADMSG},
		{"both 14, delta only", {0x40, 1, 0, 1, 0xee, 0, 0}, 7, -EBADMSG},
		{"both 14, one of length", {0x40, 1, 0, 1, 0xee, 0, 0, 0}, 8, -EBADMSG},
		{"both 13, delta only", {0x40, 1, 0, 1, 0xdd, 0}, 6, -EBADMSG},
	};

	CHECK_PARSE(cases);
}

TEST("an option value that goes past the end is a format error")
{
	static const struct parse_case cases[] = {
		{"one byte short", {0x40, 1, 0, 1, 0xb2, 'a'}, 6, -EBADMSG},
		{"all missing", {0x40, 1, 0, 1, 0xb1}, 5, -EBADMSG},
		{"exact", {0x40, 1, 0, 1, 0xb2, 'a', 'b'}, 7, 0},
		{"length 13, short", {0x40, 1, 0, 1, 0xbd, 0, 'a', 'b'}, 8, -EBADMSG},
		{"length 65804", {0x40, 1, 0, 1, 0xbe, 0xff, 0xff, 'a'}, 8, -EBADMSG},
		{"length that wraps to 0", {0x40, 1, 0, 1, 0xbe, 0xfe, 0xf3}, 7, -EBADMSG},
	};

	CHECK_PARSE(cases);
}

TEST("an option number above 65535 is a format error and does not wrap")
{
	static const struct parse_case cases[] = {
		{"65535", {0x40, 1, 0, 1, 0xe0, 0xfe, 0xf2}, 7, 0},
		{"65536", {0x40, 1, 0, 1, 0xe0, 0xfe, 0xf3}, 7, -EBADMSG},
		{"65804", {0x40, 1, 0, 1, 0xe0, 0xff, 0xff}, 7, -EBADMSG},
		{"65535 twice", {0x40, 1, 0, 1, 0xe0, 0xfe, 0xf2, 0x00}, 8, 0},
		{"65535 + 1", {0x40, 1, 0, 1, 0xe0, 0xfe, 0xf2, 0x10}, 8, -EBADMSG},
		{"65535 + 65535",
		 {0x40, 1, 0, 1, 0xe0, 0xfe, 0xf2, 0xe0, 0xfe, 0xf2},
		 10,
		 -EBADMSG},
		{"1 + 65535", {0x40, 1, 0, 1, 0x10, 0xe0, 0xfe, 0xf2}, 8, -EBADMSG},
	};

	CHECK_PARSE(cases);
}

TEST("type and message ID of a malformed message can be read, its options not walked")
{
	const uint8_t *data = BYTES(0x70, 0x45, 0xbe, 0xef, 0xb1, 'a', 0xf0);
	struct coax_message m;
	struct coax_option option;
	size_t length;

	ASSERT_EQ(coax_message_parse(&m, data, 7), -EBADMSG);
	EXPECT_EQ((int)coax_message_type(&m), COAX_TYPE_RST);
	EXPECT_EQ(coax_message_id(&m), 0xbeef);
	EXPECT_FALSE(coax_message_find(&m, COAX_URI_PATH, &option));
	EXPECT_TRUE(coax_message_payload(&m, &length) == NULL);
	EXPECT_EQ(length, 0u);
}

TEST("every cut of a valid message is a message or an error, never more than its bytes")
{
	uint8_t buffer[400];
	struct coax_message m;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_PUT, 1, "12345678", 8);
	coax_message_add_string(&m, COAX_URI_HOST, "example.net");
	coax_message_add_string(&m, COAX_URI_PATH, "a path segment that is a little longer");
	coax_message_add_uint(&m, COAX_NO_RESPONSE, 2);
	coax_message_add(&m, 2048, "x", 1);
	coax_message_set_payload(&m, "payload", 7);
	for (size_t length = 0; length <= m.length; length++) {
		uint8_t *cut = malloc(length + !length);
		struct coax_message parsed;
		struct coax_option_iterator it;
		struct coax_option option;

		memcpy(cut, buffer, length);
		if (coax_message_parse(&parsed, cut, length) == 0) {
			for (it = coax_options_begin(&parsed); coax_options_next(&it, &option);)
				ASSERT_TRUE(option.value + option.length <= cut + length);
		}
		free(cut);
	}
}

TEST_MAIN()
