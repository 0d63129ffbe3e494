// SPDX-License-Identifier: BSD-2-Clause
/* Messages and codes in words. */
#include "../harness.h"

#include <coax/message.h>
#include <coax/option.h>

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__})

TEST("a message is described in one line")
{
	uint8_t buffer[128];
	char text[COAX_DESCRIPTION_MAX];
	struct coax_message m;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0x1234, "\xab", 1);
	coax_message_add_string(&m, COAX_URI_PATH, "time");
	coax_message_add_uint(&m, COAX_ACCEPT, 0);
	coax_message_set_payload(&m, "hello", 5);
	EXPECT_STREQ(coax_message_describe(&m, text, sizeof(text)),
		     "CON GET mid=0x1234 token=ab Uri-Path:time Accept:0 payload=5");

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_ACK, COAX_CONTENT, 1, NULL, 0);
	coax_message_add(&m, COAX_ETAG, "\x01\xff", 2);
	coax_message_add(&m, COAX_IF_NONE_MATCH, NULL, 0);
	coax_message_add_string(&m, COAX_URI_PATH, "a b\n\\\xc3");
	coax_message_add(&m, 2048, "\x0a", 1);
	EXPECT_STREQ(coax_message_describe(&m, text, sizeof(text)),
		     "ACK 2.05 Content mid=0x0001 ETag:01ff If-None-Match"
		     " Uri-Path:a\\x20b\\x0a\\x5c\\xc3 2048:0a");

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_GET, 1, "0123456789ab",
			   12);
	EXPECT_STREQ(coax_message_describe(&m, text, sizeof(text)),
		     "NON GET mid=0x0001 token=303132333435363738396162");
	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_GET, 1, "0123456789abc",
			   13);
	coax_message_add_string(&m, COAX_URI_PATH, "time");
	EXPECT_STREQ(coax_message_describe(&m, text, sizeof(text)),
		     "NON GET mid=0x0001 token=303132333435363738396162...(13) Uri-Path:time");

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_RST, COAX_EMPTY, 1, NULL, 0);
	EXPECT_STREQ(coax_message_describe(&m, text, sizeof(text)), "RST 0.00 Empty mid=0x0001");
}

TEST("a description is cut to its buffer and says so")
{
	uint8_t buffer[128];
	struct coax_message m;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0x1234, NULL, 0);
	coax_message_add_string(&m, COAX_URI_PATH, "0123456789");
	/* "CON GET mid=0x1234 Uri-Path:0123456789" has 38 characters. */
	for (size_t size = 0; size <= 40; size++) {
		char *text = malloc(size + !size);

		coax_message_describe(&m, text, size);
		if (size)
			EXPECT_LT(strlen(text), size);
		if (size > 38)
			EXPECT_EQ(strlen(text), 38u);
		else if (size > 3)
			EXPECT_STREQ(text + size - 4, "...");
		free(text);
	}
}

TEST("what failed to parse can be described")
{
	char text[COAX_DESCRIPTION_MAX];
	struct coax_message m;

	coax_message_parse(&m, BYTES(0x40, 0x01), 2);
	EXPECT_STREQ(coax_message_describe(&m, text, sizeof(text)),
		     "2 bytes: shorter than a header");
	coax_message_parse(&m, BYTES(0x4f, 0x01, 0x00, 0x07), 4);
	EXPECT_STREQ(coax_message_describe(&m, text, sizeof(text)),
		     "CON GET mid=0x0007 4 bytes: a bad token length");
}

TEST("codes have the registry's names, unassigned ones their digits")
{
	char text[8];

	EXPECT_STREQ(coax_code_name(COAX_GET, text), "GET");
	EXPECT_STREQ(coax_code_name(COAX_IPATCH, text), "iPATCH");
	EXPECT_STREQ(coax_code_name(COAX_EMPTY, text), "0.00 Empty");
	EXPECT_STREQ(coax_code_name(COAX_CONTENT, text), "2.05 Content");
	EXPECT_STREQ(coax_code_name(COAX_NOT_FOUND, text), "4.04 Not Found");
	EXPECT_STREQ(coax_code_name(COAX_HOP_LIMIT_REACHED, text), "5.08 Hop Limit Reached");
	EXPECT_STREQ(coax_code_name(COAX_CODE(7, 31), text), "7.31");
	EXPECT_STREQ(coax_code_name(COAX_CODE(0, 8), text), "0.08");
}

TEST_MAIN()
