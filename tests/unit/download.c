// SPDX-License-Identifier: BSD-2-Clause
/* Bodies of responses put together: RFC 7959 section 2.4. */
#include "../harness.h"

#include <coax/message.h>
#include <coax/option.h>
#include "context/download.h"

#define BODY_MAX 4096

/* The body whose blocks the tests hand out: each byte tells its place. */
static uint8_t body[8192];

__attribute__((constructor)) static void fill_body(void)
{
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + (i >> 8));
}

/* A response as it would come from the network: parsed, in memory of just its size. */
struct answer {
	struct coax_message m;
	uint8_t bytes[2048];
};

static void begin_answer(struct answer *answer, uint8_t code)
{
	ASSERT_EQ(coax_message_start(&answer->m, answer->bytes, sizeof(answer->bytes),
				     COAX_TYPE_ACK, code, 1, "token", 5),
		  0);
}

static const struct coax_message *arrived(struct answer *answer)
{
	uint32_t length = answer->m.length;

	ASSERT_EQ(coax_message_parse(&answer->m, answer->bytes, length), 0);
	return &answer->m;
}

static const struct coax_message *block_of(struct answer *answer, uint8_t code, uint32_t number,
					   bool more, uint8_t exponent, const char *etag,
					   size_t length)
{
	const struct coax_block block = {number, more, exponent};

	begin_answer(answer, code);
	if (etag)
		coax_message_add_string(&answer->m, COAX_ETAG, etag);
	ASSERT_EQ(coax_message_add_block(&answer->m, COAX_BLOCK2, &block), 0);
	ASSERT_EQ(coax_message_set_payload(&answer->m, body + coax_block_offset(&block), length),
		  0);
	return arrived(answer);
}

static const struct coax_message *whole(struct answer *answer, uint8_t code, size_t length)
{
	begin_answer(answer, code);
	ASSERT_EQ(coax_message_set_payload(&answer->m, body, length), 0);
	return arrived(answer);
}

static void expect_body(const struct coax_download *download, size_t wanted)
{
	const struct coax_message *result = coax_download_result(download);
	const uint8_t *payload;
	struct coax_option option;
	size_t length;

	payload = coax_message_payload(result, &length);
	ASSERT_EQ(length, wanted);
	if (wanted)
		EXPECT_MEMEQ(payload, body, wanted);
	EXPECT_FALSE(coax_message_find(result, COAX_BLOCK2, &option));
}

TEST("a response without Block2 is the result as it is")
{
	struct coax_download download;
	struct coax_block next;
	struct answer answer;

	coax_download_init(&download, BODY_MAX, NULL, NULL);
	EXPECT_EQ(coax_download_take(&download, whole(&answer, COAX_CONTENT, 100), &next), 0);
	expect_body(&download, 100);
	coax_download_free(&download);
}

TEST("a single block of a body is the whole of it")
{
	struct coax_download download;
	struct coax_block next;
	struct answer answer;

	coax_download_init(&download, BODY_MAX, NULL, NULL);
	EXPECT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 0, false, 6, NULL, 0), &next),
		  0);
	expect_body(&download, 0);
	coax_download_free(&download);
}

TEST("blocks of each size are put together in order, with the first one's code and options")
{
	for (uint8_t exponent = 0; exponent <= COAX_BLOCK_EXPONENT_MAX; exponent++) {
		const uint32_t size = 16u << exponent;
		const struct coax_message *result;
		struct coax_download download;
		struct coax_option etag;
		struct coax_block next;
		struct answer answer;

		coax_download_init(&download, BODY_MAX, NULL, NULL);
		for (uint32_t i = 0; i < 3; i++) {
			ASSERT_EQ(coax_download_take(&download,
						     block_of(&answer, COAX_CONTENT, i, true,
							      exponent, "e1", size),
						     &next),
				  1);
			EXPECT_EQ(next.number, i + 1);
			EXPECT_EQ(next.exponent, exponent);
			EXPECT_FALSE(next.more);
		}
		ASSERT_EQ(coax_download_take(
				  &download,
				  block_of(&answer, COAX_CONTENT, 3, false, exponent, "e1", 5),
				  &next),
			  0);
		expect_body(&download, 3 * size + 5);
		result = coax_download_result(&download);
		EXPECT_EQ(coax_message_code(result), COAX_CONTENT);
		ASSERT_TRUE(coax_message_find(result, COAX_ETAG, &etag));
		EXPECT_MEMEQ(etag.value, "e1", 2);
		coax_download_free(&download);
	}
}

TEST("a server may change over to smaller blocks, and their numbers follow the offset")
{
	struct coax_download download;
	struct coax_block next;
	struct answer answer;

	coax_download_init(&download, BODY_MAX, NULL, NULL);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 0, true, 6, NULL, 1024),
				     &next),
		  1);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 16, true, 2, NULL, 64), &next),
		  1);
	EXPECT_EQ(next.number, 17U);
	EXPECT_EQ(next.exponent, 2U);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 17, false, 2, NULL, 1), &next),
		  0);
	expect_body(&download, 1024 + 64 + 1);
	coax_download_free(&download);
}

TEST("blocks that were not asked for, or that are not as long as they say, break the protocol")
{
	static const struct {
		const char *what;
		uint32_t number;
		bool more;
		uint8_t exponent;
		size_t length;
	} cases[] = {
		{"one left out", 2, true, 2, 64},
		{"the first one again", 0, true, 2, 64},
		{"larger than before", 0, true, 3, 128},
		{"more to come, but short", 1, true, 2, 63},
		{"more to come, but empty", 1, true, 2, 0},
		{"more to come, and long", 1, true, 2, 65},
		{"the last one, and long", 1, false, 2, 65},
		{"smaller, at another offset", 1, true, 1, 32},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct coax_download download;
		struct coax_block next;
		struct answer answer;
		int result;

		coax_download_init(&download, BODY_MAX, NULL, NULL);
		ASSERT_EQ(coax_download_take(&download,
					     block_of(&answer, COAX_CONTENT, 0, true, 2, "a", 64),
					     &next),
			  1);
		result = coax_download_take(&download,
					    block_of(&answer, COAX_CONTENT, cases[i].number,
						     cases[i].more, cases[i].exponent, "a",
						     cases[i].length),
					    &next);
		if (result != -EPROTO) {
			HARNESS_SAY("%s: got %d", cases[i].what, result);
			harness_failed = 1;
		}
		coax_download_free(&download);
	}
}

TEST("a transfer does not begin in the middle, nor with the reserved block size")
{
	const uint8_t reserved = 0x07, long_value[4] = {0, 0, 0, 6};
	struct coax_download download;
	struct coax_block next;
	struct answer answer;

	coax_download_init(&download, BODY_MAX, NULL, NULL);
	EXPECT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 1, true, 2, NULL, 64), &next),
		  -EPROTO);
	begin_answer(&answer, COAX_CONTENT);
	coax_message_add(&answer.m, COAX_BLOCK2, &reserved, 1);
	EXPECT_EQ(coax_download_take(&download, arrived(&answer), &next), -EPROTO);
	begin_answer(&answer, COAX_CONTENT);
	coax_message_add(&answer.m, COAX_BLOCK2, long_value, 4);
	EXPECT_EQ(coax_download_take(&download, arrived(&answer), &next), -EPROTO);
	coax_download_free(&download);
}

TEST("another ETag means another representation: it is fetched from its beginning")
{
	static const char *const changed[] = {"b", "ab", "", NULL};

	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
		struct coax_download download;
		struct coax_block next;
		struct answer answer;

		coax_download_init(&download, BODY_MAX, NULL, NULL);
		ASSERT_EQ(coax_download_take(&download,
					     block_of(&answer, COAX_CONTENT, 0, true, 2, "a", 64),
					     &next),
			  1);
		ASSERT_EQ(coax_download_take(
				  &download,
				  block_of(&answer, COAX_CONTENT, 1, true, 2, changed[i], 64),
				  &next),
			  1);
		EXPECT_EQ(next.number, 0U);
		EXPECT_EQ(next.exponent, 2U);
		ASSERT_EQ(coax_download_take(
				  &download,
				  block_of(&answer, COAX_CONTENT, 0, true, 2, changed[i], 64),
				  &next),
			  1);
		ASSERT_EQ(coax_download_take(
				  &download,
				  block_of(&answer, COAX_CONTENT, 1, false, 2, changed[i], 10),
				  &next),
			  0);
		expect_body(&download, 74);
		coax_download_free(&download);
	}
}

TEST("a representation that changes each time is given up after three new beginnings")
{
	static const char *const etags[] = {"a", "b", "c", "d", "e"};
	struct coax_download download;
	struct coax_block next;
	struct answer answer;

	coax_download_init(&download, BODY_MAX, NULL, NULL);
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(coax_download_take(
				  &download,
				  block_of(&answer, COAX_CONTENT, 0, true, 2, etags[i], 64), &next),
			  1);
		ASSERT_EQ(next.number, 1U);
		ASSERT_EQ(coax_download_take(
				  &download,
				  block_of(&answer, COAX_CONTENT, 1, true, 2, etags[i + 1], 64),
				  &next),
			  i < 3 ? 1 : -ESTALE);
	}
	coax_download_free(&download);
}

TEST("a body longer than allowed is refused, by what Size2 says or by what has come")
{
	struct coax_download download;
	struct coax_block next;
	struct answer answer;
	const struct coax_block first = {0, true, 6};

	coax_download_init(&download, 1500, NULL, NULL);
	begin_answer(&answer, COAX_CONTENT);
	coax_message_add_block(&answer.m, COAX_BLOCK2, &first);
	coax_message_add_uint(&answer.m, COAX_SIZE2, 1501);
	coax_message_set_payload(&answer.m, body, 1024);
	EXPECT_EQ(coax_download_take(&download, arrived(&answer), &next), -EFBIG);

	coax_download_reset(&download);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 0, true, 6, NULL, 1024),
				     &next),
		  1);
	EXPECT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 1, false, 6, NULL, 477),
				     &next),
		  -EFBIG);

	coax_download_reset(&download);
	download.body_max = 99;
	EXPECT_EQ(coax_download_take(&download, whole(&answer, COAX_CONTENT, 100), &next), -EFBIG);
	coax_download_free(&download);
}

TEST("a Size2 of four thousand million takes no memory")
{
	struct coax_download download;
	struct coax_block next;
	struct answer answer;
	const struct coax_block first = {0, true, 6};

	coax_download_init(&download, UINT64_MAX, NULL, NULL);
	begin_answer(&answer, COAX_CONTENT);
	coax_message_add_block(&answer.m, COAX_BLOCK2, &first);
	coax_message_add_uint(&answer.m, COAX_SIZE2, UINT32_MAX);
	coax_message_set_payload(&answer.m, body, 1024);
	EXPECT_EQ(coax_download_take(&download, arrived(&answer), &next), 1);
	EXPECT_LE(download.capacity, 4096U);
	coax_download_free(&download);
}

TEST("an error in the middle is the result, and so is an answer that is not cut")
{
	static const uint8_t codes[] = {COAX_NOT_FOUND, COAX_INTERNAL_SERVER_ERROR, COAX_CONTENT};

	for (size_t i = 0; i < sizeof(codes); i++) {
		struct coax_download download;
		struct coax_block next;
		struct answer answer;

		coax_download_init(&download, BODY_MAX, NULL, NULL);
		ASSERT_EQ(coax_download_take(&download,
					     block_of(&answer, COAX_CONTENT, 0, true, 2, "a", 64),
					     &next),
			  1);
		EXPECT_EQ(coax_download_take(&download, whole(&answer, codes[i], 20), &next), 0);
		EXPECT_EQ(coax_message_code(coax_download_result(&download)), codes[i]);
		expect_body(&download, 20);
		coax_download_free(&download);
	}
}

TEST("a diagnostic that comes in blocks is put together too, and does not turn into a success")
{
	struct coax_download download;
	struct coax_block next;
	struct answer answer;

	coax_download_init(&download, BODY_MAX, NULL, NULL);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_NOT_FOUND, 0, true, 0, NULL, 16),
				     &next),
		  1);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_NOT_FOUND, 1, false, 0, NULL, 3),
				     &next),
		  0);
	expect_body(&download, 19);

	coax_download_reset(&download);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_NOT_FOUND, 0, true, 0, NULL, 16),
				     &next),
		  1);
	EXPECT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 1, false, 0, NULL, 3), &next),
		  -EPROTO);
	coax_download_free(&download);
}

/* What a sink has been given. */
struct sunk {
	uint8_t bytes[8192];
	uint64_t length;
	uint64_t total;
	unsigned int calls;
	unsigned int beginnings;
	int result;
};

static int sink(void *arg, const struct coax_message *first, uint64_t offset, const void *data,
		size_t length, uint64_t total)
{
	struct sunk *sunk = arg;

	EXPECT_EQ(coax_message_code(first), COAX_CONTENT);
	if (!offset) {
		sunk->length = 0;
		sunk->beginnings++;
	}
	EXPECT_EQ(offset, sunk->length);
	if (length)
		memcpy(sunk->bytes + offset, data, length);
	sunk->length += length;
	sunk->total = total;
	sunk->calls++;
	return sunk->result;
}

TEST("a sink is given the parts in order and the length that Size2 tells, whatever body_max is")
{
	static struct sunk sunk;
	struct coax_download download;
	const struct coax_block first = {0, true, 2};
	struct coax_block next;
	struct answer answer;

	coax_download_init(&download, 10, sink, &sunk);
	begin_answer(&answer, COAX_CONTENT);
	coax_message_add_block(&answer.m, COAX_BLOCK2, &first);
	coax_message_add_uint(&answer.m, COAX_SIZE2, 70);
	coax_message_set_payload(&answer.m, body, 64);
	ASSERT_EQ(coax_download_take(&download, arrived(&answer), &next), 1);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 1, false, 2, NULL, 6), &next),
		  0);
	EXPECT_EQ(sunk.length, 70U);
	EXPECT_EQ(sunk.total, 70U);
	EXPECT_EQ(sunk.calls, 2U);
	EXPECT_MEMEQ(sunk.bytes, body, 70);
	expect_body(&download, 0);
	coax_download_free(&download);
}

TEST("a sink is told to start anew, and ends the transfer with its own error")
{
	static struct sunk sunk;
	struct coax_download download;
	struct coax_block next;
	struct answer answer;

	coax_download_init(&download, BODY_MAX, sink, &sunk);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 0, true, 2, "a", 64), &next),
		  1);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 1, true, 2, "b", 64), &next),
		  1);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 0, true, 2, "b", 64), &next),
		  1);
	EXPECT_EQ(sunk.beginnings, 2U);
	sunk.result = -ENOSPC;
	EXPECT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 1, true, 2, "b", 64), &next),
		  -ENOSPC);
	coax_download_free(&download);
}

TEST("a sink gets a body that came whole, and none of a diagnostic")
{
	static struct sunk sunk;
	struct coax_download download;
	struct coax_block next;
	struct answer answer;

	coax_download_init(&download, BODY_MAX, sink, &sunk);
	EXPECT_EQ(coax_download_take(&download, whole(&answer, COAX_CONTENT, 33), &next), 0);
	EXPECT_EQ(sunk.length, 33U);
	expect_body(&download, 0);

	coax_download_reset(&download);
	sunk.calls = 0;
	EXPECT_EQ(coax_download_take(&download, whole(&answer, COAX_NOT_FOUND, 9), &next), 0);
	EXPECT_EQ(sunk.calls, 0U);
	expect_body(&download, 9);
	coax_download_free(&download);
}

TEST("a body does not go past the last block number")
{
	struct coax_download download;
	struct coax_block next;
	struct answer answer;

	coax_download_init(&download, UINT64_MAX, NULL, NULL);
	ASSERT_EQ(coax_download_take(&download,
				     block_of(&answer, COAX_CONTENT, 0, true, 0, NULL, 16), &next),
		  1);
	for (uint32_t i = 1; i < 400; i++)
		ASSERT_EQ(coax_download_take(&download,
					     block_of(&answer, COAX_CONTENT, i, true, 0, NULL, 16),
					     &next),
			  1);
	download.length = (uint64_t)COAX_BLOCK_NUMBER_MAX << 4;
	begin_answer(&answer, COAX_CONTENT);
	coax_message_add_block(&answer.m, COAX_BLOCK2,
			       &(struct coax_block){COAX_BLOCK_NUMBER_MAX, true, 0});
	coax_message_set_payload(&answer.m, body, 16);
	EXPECT_EQ(coax_download_take(&download, arrived(&answer), &next), -EFBIG);
	coax_download_free(&download);
}

TEST_MAIN()
