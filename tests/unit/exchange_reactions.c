// SPDX-License-Identifier: BSD-2-Clause
/* What must be rejected, ignored or answered without asking the site (RFC 7252 sections 4.2, 4.3).
 */
#include "exchange_world.h"

struct reaction_case {
	const char *what;
	uint8_t bytes[16];
	size_t length;
	bool reset; /* else silence */
};

static void check_reactions(const struct reaction_case *cases, size_t count)
{
	world_start();
	for (size_t i = 0; i < count; i++) {
		const uint8_t *bytes = cases[i].bytes;
		int before = world.sent_count;

		arrive(bytes, cases[i].length);
		if (world.sent_count - before != cases[i].reset) {
			HARNESS_SAY("%s: %d datagrams in answer", cases[i].what,
				    world.sent_count - before);
			harness_failed = 1;
			continue;
		}
		if (cases[i].reset) {
			const uint8_t wanted[] = {0x70, 0, bytes[2], bytes[3]};

			EXPECT_EQ(sent_before(0)->length, sizeof(wanted));
			EXPECT_MEMEQ(sent_before(0)->data, wanted, sizeof(wanted));
		}
	}
	EXPECT_EQ(world.requests, 0);
	EXPECT_EQ(COUNTED(resets_out), world.sent_count);
	EXPECT_EQ(coax_exchange_deadline(world.exchange) == UINT64_MAX, true);
	world_end();
}

#define CHECK_REACTIONS(cases) check_reactions(cases, sizeof(cases) / sizeof((cases)[0]))

TEST("what is shorter than a header or of another version is silently ignored")
{
	static const struct reaction_case cases[] = {
		{"nothing", {0}, 0, false},
		{"one byte", {0x40}, 1, false},
		{"three bytes", {0x40, 0x01, 0x12}, 3, false},
		{"version 0", {0x00, 0x01, 0x12, 0x34}, 4, false},
		{"version 2", {0x80, 0x01, 0x12, 0x34}, 4, false},
		{"version 3, malformed", {0xcf, 0x01, 0x12, 0x34}, 4, false},
	};

	CHECK_REACTIONS(cases);
}

TEST("a malformed CON is rejected with RST, a malformed NON is ignored")
{
	static const struct reaction_case cases[] = {
		{"CON, token of 9 cut off",
		 {0x49, 1, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8},
		 12,
		 true},
		{"CON, token of 13 cut off", {0x4d, 1, 0x12, 0x33, 0, 1, 2, 3}, 8, true},
		{"CON, token length cut off", {0x4e, 1, 0x12, 0x32, 0}, 5, true},
		{"CON, token length 15, no token", {0x4f, 1, 0x12, 0x35}, 4, true},
		{"CON, token cut off", {0x44, 1, 0x12, 0x36, 1, 2}, 6, true},
		{"CON, payload marker at the end", {0x40, 1, 0x12, 0x37, 0xff}, 5, true},
		{"CON, option delta 15", {0x40, 1, 0x12, 0x38, 0xf0}, 5, true},
		{"CON, option length 15", {0x40, 1, 0x12, 0x39, 0x0f}, 5, true},
		{"CON, option value cut off", {0x40, 1, 0x12, 0x3a, 0xb4, 'a'}, 6, true},
		{"CON, option number above 65535",
		 {0x40, 1, 0x12, 0x3b, 0xe0, 0xff, 0xff},
		 7,
		 true},
		{"NON, token of 9 cut off",
		 {0x59, 1, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8},
		 12,
		 false},
		{"NON, payload marker at the end", {0x50, 1, 0x12, 0x34, 0xff}, 5, false},
		{"NON, option delta 15", {0x50, 1, 0x12, 0x34, 0xf0}, 5, false},
	};

	CHECK_REACTIONS(cases);
}

TEST("a malformed ACK or RST is never answered")
{
	static const struct reaction_case cases[] = {
		{"ACK, token length 15", {0x6f, 0, 0x12, 0x34}, 4, false},
		{"ACK, empty with payload", {0x60, 0, 0x12, 0x34, 0xff, 1}, 6, false},
		{"ACK, payload marker at the end", {0x60, 0x45, 0x12, 0x34, 0xff}, 5, false},
		{"RST, token length 15", {0x7f, 0, 0x12, 0x34}, 4, false},
		{"RST, empty with a token", {0x71, 0, 0x12, 0x34, 1}, 5, false},
		{"RST, option delta 15", {0x70, 0x45, 0x12, 0x34, 0xf0}, 5, false},
	};

	CHECK_REACTIONS(cases);
}

TEST("an ACK or RST that matches nothing, or carries what it must not, is ignored")
{
	static const struct reaction_case cases[] = {
		{"empty ACK", {0x60, 0, 0x12, 0x34}, 4, false},
		{"RST", {0x70, 0, 0x12, 0x34}, 4, false},
		{"ACK with a response", {0x60, 0x45, 0x12, 0x34}, 4, false},
		{"RST with a response", {0x70, 0x45, 0x12, 0x34}, 4, false},
		{"ACK with a request", {0x60, 1, 0x12, 0x34}, 4, false},
		{"RST with a request", {0x70, 1, 0x12, 0x34}, 4, false},
		{"ACK of class 1", {0x60, 0x20, 0x12, 0x34}, 4, false},
		{"RST of class 7", {0x70, 0xff, 0x12, 0x34}, 4, false},
	};

	CHECK_REACTIONS(cases);
}

TEST("an empty message with a token or payload is a format error")
{
	static const struct reaction_case cases[] = {
		{"CON with a token", {0x41, 0, 0x12, 0x34, 1}, 5, true},
		{"CON with an option", {0x40, 0, 0x12, 0x35, 0xb0}, 5, true},
		{"CON with payload", {0x40, 0, 0x12, 0x36, 0xff, 1}, 6, true},
		{"CON with a token length only", {0x48, 0, 0x12, 0x37}, 4, true},
		{"NON with payload", {0x50, 0, 0x12, 0x38, 0xff, 1}, 6, false},
		{"NON", {0x50, 0, 0x12, 0x39}, 4, false},
	};

	CHECK_REACTIONS(cases);
}

TEST("codes of the reserved classes 1, 6 and 7 are rejected in a CON, ignored in a NON")
{
	static const struct reaction_case cases[] = {
		{"CON 1.00", {0x40, 0x20, 0x12, 0x34}, 4, true},
		{"CON 1.31", {0x40, 0x3f, 0x12, 0x35}, 4, true},
		{"CON 6.00", {0x40, 0xc0, 0x12, 0x36}, 4, true},
		{"CON 7.31", {0x40, 0xff, 0x12, 0x37}, 4, true},
		{"NON 1.00", {0x50, 0x20, 0x12, 0x38}, 4, false},
		{"NON 6.01", {0x50, 0xc1, 0x12, 0x39}, 4, false},
		{"NON 7.01", {0x50, 0xe1, 0x12, 0x3a}, 4, false},
	};

	CHECK_REACTIONS(cases);
}

TEST("a response that nobody waits for is rejected if CON, ignored if NON")
{
	static const struct reaction_case cases[] = {
		{"CON 2.00", {0x40, 0x40, 0x12, 0x34}, 4, true},
		{"CON 2.05 with a token", {0x42, 0x45, 0x12, 0x35, 1, 2}, 6, true},
		{"CON 4.04", {0x40, 0x84, 0x12, 0x36}, 4, true},
		{"CON 5.31", {0x40, 0xbf, 0x12, 0x37}, 4, true},
		{"NON 2.05", {0x50, 0x45, 0x12, 0x38}, 4, false},
		{"NON 5.00", {0x50, 0xa0, 0x12, 0x39}, 4, false},
	};

	CHECK_REACTIONS(cases);
}

TEST("an empty CON is a ping: RST, each time it comes")
{
	world_start();
	arrive(BYTES(0x40, 0, 0xab, 0xcd));
	arrive(BYTES(0x40, 0, 0xab, 0xcd));
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_MEMEQ(sent_before(0)->data, ((const uint8_t[]){0x70, 0, 0xab, 0xcd}), 4);
	EXPECT_EQ(COUNTED(pings), 2);
	EXPECT_EQ(COUNTED(resets_out), 2);
	world_end();
}

TEST("each reaction has its counter")
{
	world_start();
	arrive(BYTES(0x40, 0x01, 0x12));    /* too short */
	arrive(BYTES(0x40, 1, 0, 1, 0xff)); /* malformed, CON */
	arrive(BYTES(0x60, 1, 0, 1, 0xff)); /* malformed, ACK */
	EXPECT_EQ(COUNTED(malformed), 3);
	arrive(BYTES(0x80, 0x01, 0x12, 0x34)); /* version */
	arrive(BYTES(0x60, 0, 0, 1));	       /* ACK */
	arrive(BYTES(0x50, 0x45, 0, 1));       /* response */
	EXPECT_EQ(COUNTED(ignored), 3);
	arrive(BYTES(0x70, 0, 0, 1));
	EXPECT_EQ(COUNTED(resets_in), 1);
	EXPECT_EQ(COUNTED(resets_out), 1);
	world_end();
}

TEST("what is malformed is counted by kind, whatever its type, and each kind is part of the whole")
{
	static const struct {
		uint8_t bytes[8];
		size_t length;
		size_t counter;
	} cases[] = {
		{{0}, 0, offsetof(struct coax_context_stats, malformed_short)},
		{{0x40, 1, 0}, 3, offsetof(struct coax_context_stats, malformed_short)},
		{{0x4f, 1, 0, 1}, 4, offsetof(struct coax_context_stats, malformed_token)},
		{{0x52, 1, 0, 1, 7}, 5, offsetof(struct coax_context_stats, malformed_token)},
		{{0x5e, 1, 0, 1, 0}, 5, offsetof(struct coax_context_stats, malformed_token)},
		{{0x41, 0, 0, 1}, 4, offsetof(struct coax_context_stats, malformed_empty)},
		{{0x70, 0, 0, 1, 0xff}, 5, offsetof(struct coax_context_stats, malformed_empty)},
		{{0x40, 1, 0, 1, 0xf0}, 5, offsetof(struct coax_context_stats, malformed_options)},
		{{0x50, 1, 0, 1, 0xd0}, 5, offsetof(struct coax_context_stats, malformed_options)},
		{{0x60, 0x45, 0, 1, 0xb2, 'a'},
		 6,
		 offsetof(struct coax_context_stats, malformed_options)},
		{{0x40, 1, 0, 1, 0xe0, 0xff, 0xff},
		 7,
		 offsetof(struct coax_context_stats, malformed_options)},
		{{0x40, 1, 0, 1, 0xff}, 5, offsetof(struct coax_context_stats, malformed_marker)},
		{{0x50, 2, 0, 1, 0xb1, 'a', 0xff},
		 7,
		 offsetof(struct coax_context_stats, malformed_marker)},
		{{0x80, 1, 0, 1}, 4, offsetof(struct coax_context_stats, ignored_version)},
		{{0x40, 0x20, 0, 1}, 4, offsetof(struct coax_context_stats, ignored_code)},
		{{0x50, 0xff, 0, 1}, 4, offsetof(struct coax_context_stats, ignored_code)},
	};

	world_start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *stats = (const char *)&world.stats;
		const uint64_t *counter = (const uint64_t *)(stats + cases[i].counter);
		uint64_t before = *counter;

		arrive(cases[i].bytes, cases[i].length);
		EXPECT_EQ(*counter, before + 1);
		EXPECT_EQ(COUNTED(malformed) + COUNTED(ignored), (int)i + 1);
		EXPECT_EQ(COUNTED(malformed), COUNTED(malformed_short) + COUNTED(malformed_token) +
						      COUNTED(malformed_empty) +
						      COUNTED(malformed_options) +
						      COUNTED(malformed_marker));
	}
	EXPECT_EQ(COUNTED(ignored), COUNTED(ignored_version) + COUNTED(ignored_code));
	world_end();
}

TEST("a CON by multicast gets neither ACK nor RST, whatever it is")
{
	struct coax_path path = path_from(40000);

	world_start();
	path.local = address("224.0.1.187", 5683);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_GET, 1, 7);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_EMPTY, 2, 7);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_CONTENT, 3, 7);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_CODE(7, 1), 4, 7);
	arrive_by(&path, BYTES(0x40, 1, 0, 5, 0xff));
	path.local = address("ff02::fd", 5683);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_GET, 6, 7);
	EXPECT_EQ(world.sent_count, 0);
	EXPECT_EQ(world.requests, 0);
	world_end();
}

TEST("a NON request by multicast is answered from an address of ours, but not with an error")
{
	struct coax_path path = path_from(40000);

	world_start();
	path.local = address("224.0.1.187", 5683);
	arrive_message_by(&path, COAX_TYPE_NON, COAX_GET, 1, 7);
	pass_ms(COAX_DEFAULT_LEISURE_MS);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_CONTENT, 1);
	EXPECT_EQ((int)sent_before(0)->path.local.sa.sa_family, AF_UNSPEC);
	world.conduct = HOLDS;
	arrive_message_by(&path, COAX_TYPE_NON, COAX_GET, 2, 7);
	EXPECT_EQ(world_answer(COAX_NOT_FOUND), 0);
	pass_ms(COAX_DEFAULT_LEISURE_MS);
	EXPECT_EQ(world.sent_count, 1);
	world_end();
}

static void arrive_truncated(const uint8_t *data, size_t length)
{
	struct coax_path path = path_from(40000);

	coax_exchange_receive(world.exchange, world.now, &path, data, length, true);
}

TEST("a request that was cut off gets 4.13 with Size1, and does not run")
{
	struct coax_message reply;
	uint32_t size;

	world_start();
	arrive_truncated(BYTES(0x42, COAX_PUT, 0x12, 0x34, 0xaa, 0xbb, 0xb4, 'a'));
	EXPECT_LAST_SENT(COAX_TYPE_ACK, COAX_REQUEST_ENTITY_TOO_LARGE, 0x1234);
	reply = last_sent();
	EXPECT_EQ(coax_message_token_length(&reply), 2u);
	EXPECT_MEMEQ(coax_message_token(&reply), "\xaa\xbb", 2);
	EXPECT_TRUE(coax_message_find_uint(&reply, COAX_SIZE1, &size));
	EXPECT_EQ((int)size, COAX_PAYLOAD_MAX);
	arrive_truncated(BYTES(0x50, COAX_POST, 0x12, 0x35));
	EXPECT_LAST_SENT(COAX_TYPE_NON, COAX_REQUEST_ENTITY_TOO_LARGE, 0x1235);
	EXPECT_EQ(world.requests, 0);
	EXPECT_EQ(COUNTED(refused), 2);
	world_end();
}

TEST("anything else that was cut off is ignored")
{
	world_start();
	arrive_truncated(BYTES(0x60, 0x45, 0x12, 0x34));
	arrive_truncated(BYTES(0x70, 0x01, 0x12, 0x34));
	arrive_truncated(BYTES(0x40, 0x45, 0x12, 0x34));
	arrive_truncated(BYTES(0x40, 0x00, 0x12, 0x34));
	arrive_truncated(BYTES(0x40, 0xe1, 0x12, 0x34));
	arrive_truncated(BYTES(0x49, 0x01, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8));
	arrive_truncated(BYTES(0x42, 0x01, 0x12, 0x34, 1));
	arrive_truncated(BYTES(0x80, 0x01, 0x12, 0x34));
	arrive_truncated(BYTES(0x40, 0x01, 0x12));
	EXPECT_EQ(world.sent_count, 0);
	EXPECT_EQ(COUNTED(ignored), 9);
	world_end();
}

TEST("warnings about peers are few a second, and those left out are counted")
{
	world_start();
	world.logger.from = COAX_LOG_WARNING;
	for (int i = 0; i < 1000; i++)
		arrive(BYTES(0x40, 1, 0, 1, 0xff));
	EXPECT_GT(world.lines[COAX_LOG_WARNING], 0);
	EXPECT_LE(world.lines[COAX_LOG_WARNING], 10);
	EXPECT_TRUE(strstr(world.line, "192.0.2.1:40000"));
	pass_ms(1000);
	world.lines[COAX_LOG_WARNING] = 0;
	arrive(BYTES(0x40, 1, 0, 1, 0xff));
	EXPECT_EQ(world.lines[COAX_LOG_WARNING], 2);
	EXPECT_EQ(world.sent_count, 1001);
	world_end();
}

TEST("each message is logged at DEBUG on its way in and out, and at no higher level")
{
	world_start();
	arrive_message(COAX_TYPE_CON, COAX_GET, 0x1234, 7, NULL);
	EXPECT_EQ(world.lines[COAX_LOG_DEBUG], 2);
	EXPECT_EQ(world.lines[COAX_LOG_INFO], 0);
	EXPECT_EQ(world.lines[COAX_LOG_WARNING], 0);
	EXPECT_TRUE(strstr(world.line, "2.05"));
	world_end();
}

TEST("an exchange layer without a logger works")
{
	struct coax_exchange_options options = {
		.ops = &world_ops, .tuning = world_tuning, .stats = &world.stats};

	ASSERT_EQ(coax_exchange_create(&world.exchange, &options), 0);
	arrive(BYTES(0x40, 1, 0, 1, 0xff));
	arrive(BYTES(0x40, 0, 0, 1));
	EXPECT_EQ(world.sent_count, 2);
	world_end();
}

TEST("any bytes at all are taken in, one flipped after the other")
{
	static const uint8_t seed[] = {0x42, COAX_PUT, 0x12, 0x34, 0xaa, 0xbb, 0xb4, 't', 'e', 's',
				       't',  0x11,     0x2a, 0xd1, 0x05, 1,    0xff, 'p', 'a'};

	world_start();
	for (size_t at = 0; at < sizeof(seed); at++) {
		for (int value = 0; value < 256; value++) {
			uint8_t data[sizeof(seed)];

			memcpy(data, seed, sizeof(seed));
			data[at] = (uint8_t)value;
			for (size_t length = 0; length <= sizeof(seed); length++)
				arrive(data, length);
		}
	}
	world_end();
}

TEST_MAIN()
