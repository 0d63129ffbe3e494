// SPDX-License-Identifier: BSD-2-Clause
/* The Block1 and Block2 options of RFC 7959 section 2. */
#include "../harness.h"

#include <coax/block.h>
#include <coax/message.h>
#include <coax/option.h>

static uint8_t buffer[64];

static void start(struct coax_message *m)
{
	coax_message_start(m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
}

/* What a message says whose Block2 has these bytes. */
static int find(const char *value, size_t length, struct coax_block *block)
{
	struct coax_message m;

	start(&m);
	ASSERT_EQ(coax_message_add(&m, COAX_BLOCK2, value, length), 0);
	return coax_message_find_block(&m, COAX_BLOCK2, block);
}

TEST("each SZX stands for a block size of 16 to 1024 bytes")
{
	static const uint32_t sizes[] = {16, 32, 64, 128, 256, 512, 1024};

	for (uint8_t exponent = 0; exponent <= COAX_BLOCK_EXPONENT_MAX; exponent++) {
		struct coax_block block = {.number = COAX_BLOCK_NUMBER_MAX, .exponent = exponent};

		EXPECT_EQ(coax_block_size(&block), sizes[exponent]);
		EXPECT_EQ(coax_block_offset(&block), (uint64_t)0xfffff * sizes[exponent]);
		block.number = 3;
		EXPECT_EQ(coax_block_offset(&block), 3u * sizes[exponent]);
	}
}

TEST("the largest SZX that a size has room for is chosen, 16 bytes at least")
{
	static const struct {
		uint32_t size;
		uint8_t exponent;
	} cases[] = {
		{0, 0},	   {15, 0},   {16, 0},	 {31, 0},	{32, 1},
		{63, 1},   {64, 2},   {127, 2},	 {128, 3},	{255, 3},
		{256, 4},  {511, 4},  {512, 5},	 {1023, 5},	{1024, 6},
		{1025, 6}, {2048, 6}, {4096, 6}, {1u << 31, 6}, {UINT32_MAX, 6},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT_EQ(coax_block_exponent(cases[i].size), cases[i].exponent);
}

TEST("a block option takes as few bytes as its NUM, M and SZX need, and reads back the same")
{
	static const struct {
		struct coax_block block;
		uint8_t value[3];
		uint32_t length;
	} cases[] = {
		{{0, false, 0}, {0}, 0},
		{{0, false, 1}, {0x01}, 1},
		{{0, false, 6}, {0x06}, 1},
		{{0, true, 0}, {0x08}, 1},
		{{0, true, 6}, {0x0e}, 1},
		{{1, false, 0}, {0x10}, 1},
		{{15, true, 6}, {0xfe}, 1},
		{{16, false, 0}, {0x01, 0x00}, 2},
		{{16, true, 2}, {0x01, 0x0a}, 2},
		{{4095, true, 6}, {0xff, 0xfe}, 2},
		{{4096, false, 0}, {0x01, 0x00, 0x00}, 3},
		{{4096, true, 5}, {0x01, 0x00, 0x0d}, 3},
		{{0xfffff, true, 6}, {0xff, 0xff, 0xfe}, 3},
		{{0xfffff, false, 0}, {0xff, 0xff, 0xf0}, 3},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct coax_block block = {.number = 77, .more = true, .exponent = 3};
		struct coax_message m;
		struct coax_option option;

		start(&m);
		ASSERT_EQ(coax_message_add_block(&m, COAX_BLOCK1, &cases[i].block), 0);
		ASSERT_TRUE(coax_message_find(&m, COAX_BLOCK1, &option));
		ASSERT_EQ(option.length, cases[i].length);
		EXPECT_MEMEQ(option.value, cases[i].value, option.length);
		ASSERT_EQ(coax_message_find_block(&m, COAX_BLOCK1, &block), 1);
		EXPECT_EQ(block.number, cases[i].block.number);
		EXPECT_EQ(block.more, cases[i].block.more);
		EXPECT_EQ(block.exponent, cases[i].block.exponent);
	}
}

TEST("every SZX comes back with small and large numbers, more blocks following or none")
{
	for (uint32_t number = 0; number <= COAX_BLOCK_NUMBER_MAX; number += 1 + number / 16) {
		for (uint8_t bits = 0; bits < 14; bits++) {
			struct coax_block put = {number, bits & 1, bits / 2}, got = {0};
			struct coax_message m;

			start(&m);
			ASSERT_EQ(coax_message_add_block(&m, COAX_BLOCK2, &put), 0);
			ASSERT_EQ(coax_message_find_block(&m, COAX_BLOCK2, &got), 1);
			ASSERT_EQ(got.number, number);
			ASSERT_EQ(got.more, put.more);
			ASSERT_EQ(got.exponent, put.exponent);
		}
	}
}

TEST("a block option with leading zero bytes is understood")
{
	struct coax_block block;

	ASSERT_EQ(find("\0\0\x1e", 3, &block), 1);
	EXPECT_EQ(block.number, 1u);
	EXPECT_TRUE(block.more);
	EXPECT_EQ(block.exponent, 6);
	ASSERT_EQ(find("\0", 1, &block), 1);
	EXPECT_EQ(block.number, 0u);
	EXPECT_FALSE(block.more);
	EXPECT_EQ(block.exponent, 0);
}

TEST("the reserved SZX and a value of more than three bytes are errors")
{
	struct coax_block block;

	EXPECT_EQ(find("\x07", 1, &block), -EBADMSG);
	EXPECT_EQ(find("\x0f", 1, &block), -EBADMSG);
	EXPECT_EQ(find("\xff\xff", 2, &block), -EBADMSG);
	EXPECT_EQ(find("\xff\xff\xf7", 3, &block), -EBADMSG);
	EXPECT_EQ(find("\0\0\0\x06", 4, &block), -EBADMSG);
	EXPECT_EQ(find("\1\0\0\0\x06", 5, &block), -EBADMSG);
	EXPECT_EQ(find("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, &block), -EBADMSG);
}

TEST("a message without the option has no block, and an empty option is one")
{
	struct coax_block block = {.number = 77};
	struct coax_message m;

	start(&m);
	EXPECT_EQ(coax_message_find_block(&m, COAX_BLOCK2, &block), 0);
	coax_message_add(&m, COAX_BLOCK1, NULL, 0);
	EXPECT_EQ(coax_message_find_block(&m, COAX_BLOCK2, &block), 0);
	EXPECT_EQ(block.number, 77u);
	EXPECT_EQ(coax_message_find_block(&m, COAX_BLOCK1, &block), 1);
	EXPECT_EQ(block.number, 0u);
}

TEST("a number or size that cannot be expressed is refused, and so is what does not fit")
{
	static const struct coax_block number = {.number = COAX_BLOCK_NUMBER_MAX + 1},
				       wrapped = {.number = 0x10000000}, reserved = {.exponent = 7},
				       fine = {.number = 4096};
	struct coax_message m;

	start(&m);
	EXPECT_EQ(coax_message_add_block(&m, COAX_BLOCK1, &number), -EINVAL);
	EXPECT_EQ(coax_message_add_block(&m, COAX_BLOCK1, &wrapped), -EINVAL);
	EXPECT_EQ(coax_message_add_block(&m, COAX_BLOCK1, &reserved), -EINVAL);
	EXPECT_EQ(m.length, 4u);
	coax_message_start(&m, buffer, 8, COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
	EXPECT_EQ(coax_message_add_block(&m, COAX_BLOCK1, &fine), -EMSGSIZE);
	EXPECT_EQ(m.length, 4u);
}

TEST_MAIN()
