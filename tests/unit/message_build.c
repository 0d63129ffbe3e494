// SPDX-License-Identifier: BSD-2-Clause
/* Messages written: header, options, payload (RFC 7252 section 3, RFC 8974 section 2.1). */
#include "../harness.h"

#include <coax/message.h>
#include <coax/option.h>

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__})

TEST("the exchange of RFC 7252 figure 17 is written and read byte for byte")
{
	const uint8_t *request = BYTES(0x41, 0x01, 0x7d, 0x35, 0x20, 0xbb, 't', 'e', 'm', 'p', 'e',
				       'r', 'a', 't', 'u', 'r', 'e');
	const uint8_t *response =
		BYTES(0x61, 0x45, 0x7d, 0x35, 0x20, 0xff, '2', '2', '.', '3', ' ', 'C');
	uint8_t buffer[64];
	struct coax_message m;
	struct coax_option option;
	const uint8_t *payload;
	size_t length;

	ASSERT_EQ(coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0x7d35,
				     "\x20", 1),
		  0);
	ASSERT_EQ(coax_message_add_string(&m, COAX_URI_PATH, "temperature"), 0);
	ASSERT_EQ(m.length, 17u);
	EXPECT_MEMEQ(buffer, request, 17);

	ASSERT_EQ(coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_ACK, COAX_CONTENT,
				     0x7d35, "\x20", 1),
		  0);
	ASSERT_EQ(coax_message_set_payload(&m, "22.3 C", 6), 0);
	ASSERT_EQ(m.length, 12u);
	EXPECT_MEMEQ(buffer, response, 12);

	ASSERT_EQ(coax_message_parse(&m, request, 17), 0);
	EXPECT_EQ((int)coax_message_type(&m), COAX_TYPE_CON);
	EXPECT_EQ(coax_message_code(&m), COAX_GET);
	EXPECT_EQ(coax_message_id(&m), 0x7d35);
	EXPECT_EQ(coax_message_token_length(&m), 1u);
	EXPECT_EQ(*coax_message_token(&m), 0x20);
	ASSERT_TRUE(coax_message_find(&m, COAX_URI_PATH, &option));
	ASSERT_EQ(option.length, 11u);
	EXPECT_MEMEQ(option.value, "temperature", 11);
	EXPECT_EQ(m.last_option, COAX_URI_PATH);
	EXPECT_TRUE(coax_message_payload(&m, &length) == NULL);

	ASSERT_EQ(coax_message_parse(&m, response, 12), 0);
	payload = coax_message_payload(&m, &length);
	ASSERT_EQ(length, 6u);
	EXPECT_MEMEQ(payload, "22.3 C", 6);
}

TEST("each option delta and length takes the one encoding that section 3.1 gives it")
{
	static const struct {
		uint16_t number;
		uint32_t length;
		uint8_t head[5];
		size_t head_length;
	} cases[] = {
		{0, 0, {0x00}, 1},
		{12, 12, {0xcc}, 1},
		{13, 13, {0xdd, 0x00, 0x00}, 3},
		{268, 268, {0xdd, 0xff, 0xff}, 3},
		{269, 0, {0xe0, 0x00, 0x00}, 3},
		{0, 269, {0x0e, 0x00, 0x00}, 3},
		{65535, 65804, {0xee, 0xfe, 0xf2, 0xff, 0xff}, 5},
		{12, 269, {0xce, 0x00, 0x00}, 3},
		{13, 1, {0xd1, 0x00}, 2},
	};
	static uint8_t buffer[70000], value[65804];

	memset(value, 0x5a, sizeof(value));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = 4 + cases[i].head_length + cases[i].length;
		struct coax_message m, parsed;
		struct coax_option option;

		coax_message_start(&m, buffer, length, COAX_TYPE_NON, COAX_GET, 1, NULL, 0);
		ASSERT_EQ(coax_message_add(&m, cases[i].number, value, cases[i].length), 0);
		ASSERT_EQ(m.length, length);
		EXPECT_MEMEQ(buffer + 4, cases[i].head, cases[i].head_length);

		ASSERT_EQ(coax_message_parse(&parsed, buffer, length), 0);
		ASSERT_TRUE(coax_message_find(&parsed, cases[i].number, &option));
		ASSERT_EQ(option.length, cases[i].length);
		EXPECT_MEMEQ(option.value, value, option.length);
	}
}

TEST("an option longer than section 3.1 can express is refused")
{
	static uint8_t buffer[80000], value[65805];
	struct coax_message m;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_GET, 1, NULL, 0);
	EXPECT_EQ(coax_message_add(&m, 1, value, sizeof(value)), -EMSGSIZE);
	EXPECT_EQ(coax_message_add(&m, 1, value, SIZE_MAX), -EMSGSIZE);
	EXPECT_EQ(m.length, 4u);
}

TEST("a message starts only in a buffer that holds header and token")
{
	static const uint8_t token[65805];
	static uint8_t buffer[70000];
	struct coax_message m;

	EXPECT_EQ(coax_message_start(&m, buffer, 3, COAX_TYPE_CON, COAX_GET, 1, NULL, 0),
		  -EMSGSIZE);
	EXPECT_EQ(coax_message_start(&m, buffer, 11, COAX_TYPE_CON, COAX_GET, 1, "12345678", 8),
		  -EMSGSIZE);
	EXPECT_EQ(coax_message_start(&m, buffer, 12, COAX_TYPE_CON, COAX_GET, 1, "12345678", 8), 0);
	EXPECT_EQ(coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, token,
				     65805),
		  -EINVAL);
	EXPECT_EQ(coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, token,
				     SIZE_MAX),
		  -EINVAL);
}

TEST("header fields can be changed in place")
{
	uint8_t buffer[8];
	struct coax_message m;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, "ab", 2);
	coax_message_set_type(&m, COAX_TYPE_RST);
	coax_message_set_code(&m, COAX_CONTENT);
	coax_message_set_id(&m, 0xfedc);
	EXPECT_MEMEQ(buffer, BYTES(0x72, 0x45, 0xfe, 0xdc, 'a', 'b'), 6);
}

TEST("uint options take as few bytes as possible")
{
	static const struct {
		uint32_t value;
		uint8_t encoded[5];
		size_t length;
	} cases[] = {
		{1, {0xd1, 0x01, 0x01}, 3},
		{255, {0xd1, 0x01, 0xff}, 3},
		{256, {0xd2, 0x01, 0x01, 0x00}, 4},
		{65535, {0xd2, 0x01, 0xff, 0xff}, 4},
		{0x10000, {0xd3, 0x01, 0x01, 0x00, 0x00}, 5},
	};
	uint8_t buffer[16];
	struct coax_message m;
	uint32_t value;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
		ASSERT_EQ(coax_message_add_uint(&m, COAX_MAX_AGE, cases[i].value), 0);
		ASSERT_EQ(m.length, 4 + cases[i].length);
		EXPECT_MEMEQ(buffer + 4, cases[i].encoded, cases[i].length);
		ASSERT_TRUE(coax_message_find_uint(&m, COAX_MAX_AGE, &value));
		EXPECT_EQ(value, cases[i].value);
	}
	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
	ASSERT_EQ(coax_message_add_uint(&m, COAX_OBSERVE, 0), 0);
	ASSERT_EQ(coax_message_add_uint(&m, COAX_MAX_AGE, UINT32_MAX), 0);
	EXPECT_MEMEQ(buffer + 4, BYTES(0x60, 0x84, 0xff, 0xff, 0xff, 0xff), 6);
	ASSERT_TRUE(coax_message_find_uint(&m, COAX_OBSERVE, &value));
	EXPECT_EQ(value, 0u);
}

TEST("a uint with leading zero bytes is understood, one longer than four bytes is not")
{
	uint8_t buffer[32];
	struct coax_message m;
	struct coax_option option;
	uint32_t value = 7;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
	coax_message_add(&m, COAX_MAX_AGE, "\0\0\0\x2a", 4);
	coax_message_add(&m, COAX_SIZE1, "\1\0\0\0\x2a", 5);
	ASSERT_TRUE(coax_message_find_uint(&m, COAX_MAX_AGE, &value));
	EXPECT_EQ(value, 42u);
	EXPECT_FALSE(coax_message_find_uint(&m, COAX_SIZE1, &value));
	ASSERT_TRUE(coax_message_find(&m, COAX_SIZE1, &option));
	EXPECT_EQ(coax_option_uint(&option), 42u);
	EXPECT_FALSE(coax_message_find_uint(&m, COAX_ACCEPT, &value));
	EXPECT_EQ(value, 42u);
}

TEST("options added in any order are sent in order, equal numbers in the order of adding")
{
	const uint8_t *wanted = BYTES(0x50, 0x01, 0x00, 0x01, 0x31, 'h', 0x81, 'a', 0x01, 'b', 0x41,
				      'q', 0x21, 0x32, 0xd0, 0xde, 0xff, 'p');
	uint8_t buffer[64];
	struct coax_message m;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_GET, 1, NULL, 0);
	ASSERT_EQ(coax_message_set_payload(&m, "p", 1), 0);
	ASSERT_EQ(coax_message_add_string(&m, COAX_URI_PATH, "a"), 0);
	ASSERT_EQ(coax_message_add_uint(&m, COAX_NO_RESPONSE - 6, 0), 0);
	ASSERT_EQ(coax_message_add_uint(&m, COAX_ACCEPT, 50), 0);
	ASSERT_EQ(coax_message_add_string(&m, COAX_URI_HOST, "h"), 0);
	ASSERT_EQ(coax_message_add_string(&m, COAX_URI_QUERY, "q"), 0);
	ASSERT_EQ(coax_message_add_string(&m, COAX_URI_PATH, "b"), 0);
	ASSERT_EQ(m.length, 18u);
	EXPECT_MEMEQ(buffer, wanted, 18);
	EXPECT_EQ(m.last_option, COAX_NO_RESPONSE - 6);
}

TEST("inserting and removing re-encodes the following option's delta at each size")
{
	static const uint16_t edges[] = {1,   12,  13,	14,   24,   25,	  268,
					 269, 270, 281, 1000, 1001, 65535};
	const size_t count = sizeof(edges) / sizeof(edges[0]);

	for (size_t low = 0; low < count; low++) {
		for (size_t high = low; high < count; high++) {
			uint8_t buffer[64], before[64];
			struct coax_message m, parsed;
			uint32_t length;

			coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_PUT, 1,
					   "t", 1);
			coax_message_set_payload(&m, "pay", 3);
			ASSERT_EQ(coax_message_add(&m, edges[high], "high", 4), 0);
			memcpy(before, buffer, sizeof(before));
			length = m.length;
			if (edges[low] == edges[high])
				continue;
			ASSERT_EQ(coax_message_add(&m, edges[low], "low", 3), 0);
			ASSERT_EQ(coax_message_parse(&parsed, buffer, m.length), 0);
			EXPECT_EQ(parsed.payload, m.payload);
			EXPECT_EQ(parsed.last_option, m.last_option);
			ASSERT_EQ(coax_message_remove(&m, edges[low]), 1);
			ASSERT_EQ(m.length, length);
			EXPECT_MEMEQ(buffer, before, length);
			EXPECT_EQ(m.last_option, edges[high]);
			ASSERT_EQ(coax_message_add(&m, edges[low], "low", 3), 0);
			ASSERT_EQ(coax_message_remove(&m, edges[high]), 1);
			EXPECT_EQ(m.last_option, edges[low]);
			ASSERT_EQ(coax_message_parse(&parsed, buffer, m.length), 0);
			EXPECT_EQ(parsed.last_option, edges[low]);
			EXPECT_MEMEQ(buffer + m.payload, "pay", 3);
		}
	}
}

TEST("removing takes all options with a number and leaves the others")
{
	uint8_t buffer[64];
	struct coax_message m;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
	coax_message_add_string(&m, COAX_URI_PATH, "a");
	coax_message_add_string(&m, COAX_URI_PATH, "");
	coax_message_add_string(&m, COAX_URI_PATH, "c");
	coax_message_add_string(&m, COAX_URI_HOST, "h");
	EXPECT_EQ(coax_message_remove(&m, COAX_ACCEPT), 0);
	EXPECT_EQ(coax_message_remove(&m, COAX_URI_PATH), 3);
	EXPECT_EQ(m.length, 6u);
	EXPECT_EQ(m.last_option, COAX_URI_HOST);
	EXPECT_EQ(coax_message_remove(&m, COAX_URI_HOST), 1);
	EXPECT_EQ(m.length, 4u);
	EXPECT_EQ(m.last_option, 0);
	EXPECT_EQ(coax_message_remove(&m, COAX_URI_HOST), 0);
}

TEST("what does not fit is refused and leaves the message as it was")
{
	uint8_t buffer[20], before[20];
	struct coax_message m, copy;

	coax_message_start(&m, buffer, 12, COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
	coax_message_add_string(&m, COAX_URI_PATH, "ab");
	coax_message_set_payload(&m, "xy", 2);
	ASSERT_EQ(m.length, 10u);
	memset(buffer + 12, 0xee, 8);
	memcpy(before, buffer, sizeof(before));
	copy = m;

	EXPECT_EQ(coax_message_add_string(&m, COAX_URI_QUERY, "ab"), -EMSGSIZE);
	EXPECT_EQ(coax_message_add_string(&m, COAX_URI_HOST, "ab"), -EMSGSIZE);
	EXPECT_EQ(coax_message_set_payload(&m, "12345", 5), -EMSGSIZE);
	EXPECT_EQ(coax_message_set_payload(&m, "12345", SIZE_MAX), -EMSGSIZE);
	EXPECT_MEMEQ(&m, &copy, sizeof(m));
	EXPECT_MEMEQ(buffer, before, sizeof(before));

	EXPECT_EQ(coax_message_add_string(&m, COAX_URI_HOST, "a"), 0);
	EXPECT_EQ(coax_message_add(&m, COAX_IF_MATCH, NULL, 0), -EMSGSIZE);
	EXPECT_EQ(m.length, 12u);
	EXPECT_MEMEQ(buffer + 12, before + 12, 8);
	EXPECT_EQ(coax_message_set_payload(&m, NULL, 0), 0);
	EXPECT_EQ(m.length, 9u);
	EXPECT_EQ(coax_message_add_string(&m, COAX_IF_MATCH, "ab"), 0);
	EXPECT_EQ(coax_message_set_payload(&m, "x", 1), -EMSGSIZE);
	EXPECT_EQ(m.length, 12u);
	EXPECT_EQ(coax_message_add(&m, COAX_SIZE1, NULL, 0), -EMSGSIZE);
}

TEST("an option whose neighbour's head shrinks fits where there is no byte left")
{
	uint8_t buffer[6];
	struct coax_message m, parsed;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
	ASSERT_EQ(coax_message_add(&m, 24, NULL, 0), 0);
	ASSERT_EQ(m.length, 6u);
	ASSERT_EQ(coax_message_add(&m, 12, NULL, 0), 0);
	EXPECT_EQ(m.length, 6u);
	EXPECT_MEMEQ(buffer + 4, BYTES(0xc0, 0xc0), 2);
	EXPECT_EQ(coax_message_parse(&parsed, buffer, 6), 0);
}

TEST("a parsed message is read only")
{
	const uint8_t *data = BYTES(0x40, 0x01, 0x00, 0x01, 0xb1, 'a', 0xff, 'p');
	struct coax_message m;

	ASSERT_EQ(coax_message_parse(&m, data, 8), 0);
	EXPECT_EQ(coax_message_add_uint(&m, COAX_ACCEPT, 1), -EROFS);
	EXPECT_EQ(coax_message_remove(&m, COAX_URI_PATH), -EROFS);
	EXPECT_EQ(coax_message_set_payload(&m, NULL, 0), -EROFS);
	EXPECT_EQ(coax_message_set_payload(&m, "x", 1), -EROFS);
}

TEST("a payload is replaced, cut from itself, and removed with its marker")
{
	uint8_t buffer[32];
	struct coax_message m;
	size_t length;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_POST, 1, NULL, 0);
	coax_message_add_string(&m, COAX_URI_PATH, "a");
	ASSERT_EQ(coax_message_set_payload(&m, "0123456789", 10), 0);
	ASSERT_EQ(coax_message_set_payload(&m, buffer + m.payload + 4, 6), 0);
	EXPECT_MEMEQ(coax_message_payload(&m, &length), "456789", 6);
	EXPECT_EQ(length, 6u);
	ASSERT_EQ(coax_message_set_payload(&m, "abc", 3), 0);
	EXPECT_EQ(m.length, 10u);
	ASSERT_EQ(coax_message_set_payload(&m, "", 0), 0);
	EXPECT_EQ(m.length, 6u);
	EXPECT_TRUE(coax_message_payload(&m, &length) == NULL);
}

TEST("what follows the token is found as it stands")
{
	const uint8_t *data = BYTES(0x42, 0x01, 0x00, 0x01, 't', 'o', 0xb1, 'a', 0xff, 'p');
	struct coax_message m;
	size_t length;

	ASSERT_EQ(coax_message_parse(&m, data, 10), 0);
	EXPECT_TRUE(coax_message_rest(&m, &length) == data + 6);
	EXPECT_EQ(length, 4u);
}

TEST("a message can carry a thousand options, and empty ones")
{
	static uint8_t buffer[2048];
	struct coax_message m, parsed;
	struct coax_option_iterator it;
	struct coax_option option;
	unsigned int count = 0;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
	for (int i = 0; i < 1000; i++)
		ASSERT_EQ(coax_message_add(&m, COAX_URI_PATH, NULL, 0), 0);
	ASSERT_EQ(coax_message_parse(&parsed, buffer, m.length), 0);
	for (it = coax_options_begin(&parsed); coax_options_next(&it, &option); count++) {
		ASSERT_EQ(option.number, COAX_URI_PATH);
		ASSERT_EQ(option.length, 0u);
	}
	EXPECT_EQ(count, 1000u);
}

/* xorshift: the same sequence everywhere. */
static uint32_t random_state = 2463534242u;

static uint32_t random_below(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % bound;
}

struct model_option {
	uint16_t number;
	uint16_t length;
	uint8_t value[300];
};

static void random_option(struct model_option *option)
{
	static const uint32_t ranges[] = {13, 20, 300, 2000, 65536};
	static const uint32_t lengths[] = {1, 13, 20, 300};

	option->number = (uint16_t)random_below(ranges[random_below(5)]);
	option->length = (uint16_t)random_below(lengths[random_below(4)]);
	for (unsigned int i = 0; i < option->length; i++)
		option->value[i] = (uint8_t)random_below(256);
}

TEST("random options in random order come back sorted, and rebuild to the same bytes")
{
	static uint8_t buffer[16384], again[16384];
	static struct model_option model[24];

	for (int round = 0; round < 20000; round++) {
		unsigned int count = random_below(24),
			     token_length = random_below(random_below(8) ? 15 : 300);
		unsigned int payload_length = random_below(3) ? random_below(64) : 0;
		uint8_t token[300], payload[64];
		struct coax_message m, parsed, rebuilt;
		struct coax_option_iterator it;
		struct coax_option option;
		size_t length;

		for (unsigned int i = 0; i < token_length; i++)
			token[i] = (uint8_t)random_below(256);
		for (unsigned int i = 0; i < 64; i++)
			payload[i] = (uint8_t)random_below(256);
		coax_message_start(&m, buffer, sizeof(buffer), random_below(4),
				   (uint8_t)(1 + random_below(255)), (uint16_t)random_below(65536),
				   token, token_length);
		if (random_below(2))
			ASSERT_EQ(coax_message_set_payload(&m, payload, payload_length), 0);
		for (unsigned int i = 0; i < count; i++) {
			struct model_option new;
			unsigned int at = i;

			random_option(&new);
			for (; at > 0 && model[at - 1].number > new.number; at--)
				model[at] = model[at - 1];
			model[at] = new;
			ASSERT_EQ(coax_message_add(&m, new.number, new.value, new.length), 0);
		}
		ASSERT_EQ(coax_message_set_payload(&m, payload, payload_length), 0);

		ASSERT_EQ(coax_message_parse(&parsed, buffer, m.length), 0);
		EXPECT_EQ(parsed.last_option, m.last_option);
		EXPECT_EQ(parsed.payload, m.payload);
		EXPECT_EQ(coax_message_token_length(&parsed), token_length);
		EXPECT_MEMEQ(coax_message_token(&parsed), token, token_length);
		coax_message_start(&rebuilt, again, sizeof(again), coax_message_type(&parsed),
				   coax_message_code(&parsed), coax_message_id(&parsed), token,
				   token_length);
		it = coax_options_begin(&parsed);
		for (unsigned int i = 0; i < count; i++) {
			ASSERT_TRUE(coax_options_next(&it, &option));
			ASSERT_EQ(option.number, model[i].number);
			ASSERT_EQ(option.length, model[i].length);
			ASSERT_MEMEQ(option.value, model[i].value, option.length);
			ASSERT_EQ(coax_message_add(&rebuilt, option.number, option.value,
						   option.length),
				  0);
		}
		ASSERT_FALSE(coax_options_next(&it, &option));
		ASSERT_EQ(coax_message_payload(&parsed, &length) != NULL, payload_length != 0);
		ASSERT_EQ(length, payload_length);
		coax_message_set_payload(&rebuilt, payload, payload_length);
		ASSERT_EQ(rebuilt.length, m.length);
		ASSERT_MEMEQ(again, buffer, m.length);

		/* Remove all of one number after the other: it stays a message. */
		for (unsigned int left = count; left > 0;) {
			uint16_t number = model[random_below(left)].number;
			unsigned int kept = 0;
			int removed;

			for (unsigned int i = 0; i < left; i++) {
				if (model[i].number != number)
					model[kept++] = model[i];
			}
			removed = coax_message_remove(&m, number);
			ASSERT_EQ(removed, (int)(left - kept));
			left = kept;
			ASSERT_EQ(coax_message_parse(&parsed, buffer, m.length), 0);
			ASSERT_EQ(parsed.last_option, m.last_option);
			ASSERT_EQ(parsed.payload, m.payload);
		}
	}
}

TEST_MAIN()
