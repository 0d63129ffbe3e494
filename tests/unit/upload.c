// SPDX-License-Identifier: BSD-2-Clause
/* Bodies of requests cut into blocks: RFC 7959 section 2.3 and 2.5. */
#include "../harness.h"

#include <coax/message.h>
#include <coax/option.h>
#include "context/upload.h"

static uint8_t bytes[4096];

static struct coax_body body_of(uint64_t length)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 13 + (i >> 8));
	return (struct coax_body){.length = length, .data = bytes};
}

static struct coax_upload upload_of(uint64_t length, uint8_t exponent)
{
	const struct coax_body body = body_of(length);
	struct coax_upload upload;

	ASSERT_EQ(coax_upload_init(&upload, &body, exponent), 0);
	return upload;
}

static int take(struct coax_upload *upload, uint8_t code, const struct coax_block *block)
{
	uint8_t buffer[64];
	struct coax_message m;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_ACK, code, 1, NULL, 0);
	if (block)
		coax_message_add_block(&m, COAX_BLOCK1, block);
	return coax_upload_take(upload, &m);
}

#define BLOCK(number, more, exponent) (&(struct coax_block){number, more, exponent})

static void expect_block(const struct coax_upload *upload, uint32_t number, bool more,
			 uint8_t exponent, size_t length)
{
	struct coax_block block;

	EXPECT_EQ(coax_upload_block(upload, &block), length);
	EXPECT_EQ(block.number, number);
	EXPECT_EQ(block.more, more);
	EXPECT_EQ(block.exponent, exponent);
}

TEST("a body of up to a block's size is not cut")
{
	struct coax_upload upload = upload_of(1024, 6);

	EXPECT_FALSE(upload.cut);
	expect_block(&upload, 0, false, 6, 1024);
	EXPECT_EQ(take(&upload, COAX_CHANGED, NULL), 0);
	upload = upload_of(1025, 6);
	EXPECT_TRUE(upload.cut);
	expect_block(&upload, 0, true, 6, 1024);
}

TEST("the next block goes when the former one has been acknowledged")
{
	struct coax_upload upload = upload_of(160, 2);
	uint8_t got[64];

	ASSERT_EQ(take(&upload, COAX_CONTINUE, BLOCK(0, true, 2)), 1);
	expect_block(&upload, 1, true, 2, 64);
	ASSERT_EQ(coax_upload_read(&upload, got, 64), 0);
	EXPECT_MEMEQ(got, bytes + 64, 64);
	ASSERT_EQ(take(&upload, COAX_CONTINUE, BLOCK(1, true, 2)), 1);
	expect_block(&upload, 2, false, 2, 32);
	EXPECT_EQ(take(&upload, COAX_CHANGED, BLOCK(2, false, 2)), 0);
}

TEST("a server that acts on each block is given all of them")
{
	struct coax_upload upload = upload_of(32, 0);

	ASSERT_EQ(take(&upload, COAX_CHANGED, BLOCK(0, false, 0)), 1);
	expect_block(&upload, 1, false, 0, 16);
	EXPECT_EQ(take(&upload, COAX_CHANGED, BLOCK(1, false, 0)), 0);
}

TEST("a smaller size in an acknowledgement holds from the next block on, by byte offset")
{
	struct coax_upload upload = upload_of(1024, 3);

	ASSERT_EQ(take(&upload, COAX_CONTINUE, BLOCK(0, true, 1)), 1);
	expect_block(&upload, 4, true, 1, 32);
	ASSERT_EQ(take(&upload, COAX_CONTINUE, BLOCK(4, true, 0)), 1);
	expect_block(&upload, 10, true, 0, 16);
	/* It does not grow again. */
	ASSERT_EQ(take(&upload, COAX_CONTINUE, BLOCK(10, true, 6)), 1);
	expect_block(&upload, 11, true, 0, 16);
}

TEST("acknowledgements of other blocks, and 2.31 where nothing is left, break the protocol")
{
	struct coax_upload upload = upload_of(32, 0);

	EXPECT_EQ(take(&upload, COAX_CONTINUE, BLOCK(1, true, 0)), -EPROTO);
	EXPECT_EQ(take(&upload, COAX_CONTINUE, NULL), -EPROTO);
	ASSERT_EQ(take(&upload, COAX_CONTINUE, BLOCK(0, true, 0)), 1);
	EXPECT_EQ(take(&upload, COAX_CHANGED, BLOCK(0, false, 0)), -EPROTO);
	EXPECT_EQ(take(&upload, COAX_CONTINUE, BLOCK(1, false, 0)), -EPROTO);
	upload = upload_of(16, 0);
	EXPECT_EQ(take(&upload, COAX_CONTINUE, BLOCK(0, false, 0)), -EPROTO);
}

TEST("an answer without Block1 means that the server has taken it whole")
{
	struct coax_upload upload = upload_of(64, 0);

	EXPECT_EQ(take(&upload, COAX_CHANGED, NULL), 0);
	EXPECT_EQ(take(&upload, COAX_NOT_FOUND, NULL), 0);
	EXPECT_EQ(take(&upload, COAX_NOT_FOUND, BLOCK(0, true, 0)), 0);
}

TEST("4.13 with a smaller size is tried once with that size, from the beginning")
{
	struct coax_upload upload = upload_of(1000, 6);

	ASSERT_EQ(take(&upload, COAX_REQUEST_ENTITY_TOO_LARGE, BLOCK(0, false, 2)), 1);
	EXPECT_TRUE(upload.cut);
	expect_block(&upload, 0, true, 2, 64);
	ASSERT_EQ(take(&upload, COAX_CONTINUE, BLOCK(0, true, 2)), 1);
	EXPECT_EQ(take(&upload, COAX_REQUEST_ENTITY_TOO_LARGE, BLOCK(1, true, 0)), 0);

	upload = upload_of(1000, 2);
	ASSERT_EQ(take(&upload, COAX_CONTINUE, BLOCK(0, true, 2)), 1);
	ASSERT_EQ(take(&upload, COAX_REQUEST_ENTITY_TOO_LARGE, BLOCK(1, true, 1)), 1);
	expect_block(&upload, 0, true, 1, 32);
}

TEST("4.13 without a size, or with one that is no smaller, is the answer")
{
	struct coax_upload upload = upload_of(1000, 2);

	EXPECT_EQ(take(&upload, COAX_REQUEST_ENTITY_TOO_LARGE, NULL), 0);
	EXPECT_EQ(take(&upload, COAX_REQUEST_ENTITY_TOO_LARGE, BLOCK(0, true, 2)), 0);
	upload = upload_of(10, 6);
	EXPECT_EQ(take(&upload, COAX_REQUEST_ENTITY_TOO_LARGE, BLOCK(0, false, 0)), 0);
}

TEST("4.08 has it begin anew, once")
{
	struct coax_upload upload = upload_of(64, 0);

	EXPECT_EQ(take(&upload, COAX_REQUEST_ENTITY_INCOMPLETE, NULL), 0);
	ASSERT_EQ(take(&upload, COAX_CONTINUE, BLOCK(0, true, 0)), 1);
	ASSERT_EQ(take(&upload, COAX_REQUEST_ENTITY_INCOMPLETE, NULL), 1);
	expect_block(&upload, 0, true, 0, 16);
	ASSERT_EQ(take(&upload, COAX_CONTINUE, BLOCK(0, true, 0)), 1);
	EXPECT_EQ(take(&upload, COAX_REQUEST_ENTITY_INCOMPLETE, BLOCK(1, true, 0)), 0);
}

TEST("a body needs block numbers, also after the peer has made the blocks smaller")
{
	const struct coax_body largest = {.length = 1 << 24, .data = bytes},
			       larger = {.length = (1 << 24) + 1, .data = bytes};
	struct coax_upload upload;

	EXPECT_EQ(coax_upload_init(&upload, &largest, 0), 0);
	EXPECT_EQ(coax_upload_init(&upload, &larger, 0), -EMSGSIZE);
	EXPECT_EQ(coax_upload_init(&upload, &larger, 1), 0);
	EXPECT_EQ(take(&upload, COAX_CONTINUE, BLOCK(0, true, 0)), -EMSGSIZE);
	EXPECT_EQ(coax_upload_init(&upload, &larger, 1), 0);
	EXPECT_EQ(take(&upload, COAX_REQUEST_ENTITY_TOO_LARGE, BLOCK(0, true, 0)), -EMSGSIZE);
}

static ssize_t read_three(void *arg, uint64_t offset, void *buffer, size_t size)
{
	const uint64_t *end = arg;
	size_t length = size < 3 ? size : 3;

	if (offset >= *end)
		return 0;
	memcpy(buffer, bytes + offset, length);
	return (ssize_t)length;
}

static ssize_t read_badly(void *arg, uint64_t offset, void *buffer, size_t size)
{
	(void)arg;
	(void)offset;
	(void)buffer;
	(void)size;
	return -EACCES;
}

TEST("a body that is read may come in pieces, and ends the transfer by its error")
{
	uint64_t end = 4096;
	struct coax_body body = body_of(64);
	struct coax_upload upload;
	uint8_t got[16];

	body.data = NULL;
	body.read = read_three;
	body.arg = &end;
	ASSERT_EQ(coax_upload_init(&upload, &body, 0), 0);
	ASSERT_EQ(take(&upload, COAX_CONTINUE, BLOCK(0, true, 0)), 1);
	ASSERT_EQ(coax_upload_read(&upload, got, 16), 0);
	EXPECT_MEMEQ(got, bytes + 16, 16);
	end = 20;
	EXPECT_EQ(coax_upload_read(&upload, got, 16), -EIO);
	upload.body.read = read_badly;
	EXPECT_EQ(coax_upload_read(&upload, got, 16), -EACCES);
}

TEST_MAIN()
