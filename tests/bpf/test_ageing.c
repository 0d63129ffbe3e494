// SPDX-License-Identifier: BSD-2-Clause
/*
 * What was fetched from another origin ages: RFC 7252 section 5.7.1. The program counts Max-Age
 * down, and the clock is driven by the deadline.
 */
#include <time.h>
#include "exchange.h"

#define SECOND 1000000000ULL

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* A reply of which `length` bytes from `at` on are Max-Age. */
struct aged {
	struct exchange exchange; /* without it */
	uint8_t reply[66];
	uint16_t at;
	uint8_t length;
};

static void aged_open(struct aged *aged, bool ipv6, uint16_t at, uint8_t length)
{
	aged->exchange = exchange_default(ipv6);
	exchange_fill(aged->reply, sizeof(aged->reply), 77);
	memset(aged->reply + at, 0, length);
	aged->exchange.reply = aged->reply;
	aged->at = at;
	aged->length = length;
}

static struct coax_slot *aged_publish(const struct kernel *kernel, const struct aged *aged,
				      uint64_t deadline)
{
	struct coax_slot *slot;

	exchange_publish(kernel, EXCHANGE_SLOT, &aged->exchange);
	slot = &kernel->slots[EXCHANGE_SLOT];
	slot->max_age_at = aged->at;
	slot->max_age_length = aged->length;
	slot->deadline = deadline;
	return slot;
}

/* What comes back is what was published, with this Max-Age in it. */
static void aged_expect(const struct kernel *kernel, const struct aged *aged, uint32_t max_age,
			const char *what)
{
	struct exchange wanted = aged->exchange;
	uint8_t reply[sizeof(aged->reply)];
	char text[128];

	memcpy(reply, aged->reply, sizeof(reply));
	for (int i = 0; i < aged->length; i++)
		reply[aged->at + i] = (uint8_t)(max_age >> 8 * (aged->length - 1 - i));
	wanted.reply = reply;
	snprintf(text, sizeof(text), "%s: %u in %u bytes at %u, token of %zu", what, max_age,
		 aged->length, aged->at, wanted.token_length);
	exchange_expect(kernel, &wanted, text);
}

/* Half a second is the test's, to go through the program in. */
static void aged_check(const struct kernel *kernel, const struct aged *aged, uint32_t max_age,
		       const char *what)
{
	aged_publish(kernel, aged, now() + max_age * SECOND + SECOND / 2);
	aged_expect(kernel, aged, max_age, what);
}

static const uint32_t max_ages[][5] = {
	{0},
	{0, 1, 59, 200, 255},
	{0, 1, 255, 256, 65535},
	{0, 255, 256, 65536, 0xffffff},
	{0, 255, 65537, 0x12345678, 0xffffffff},
};

TEST("Max-Age is what is left of it, in its one to four bytes, wherever it stands")
{
	struct kernel kernel;
	struct aged aged;

	exchange_open(&kernel);
	for (uint8_t length = 1; length <= 4; length++) {
		for (uint16_t at = 1; at < 5; at++) {
			aged_open(&aged, at > 2, at, length);
			for (int i = 0; i < 5; i++) {
				aged.exchange.token_length = (size_t)i;
				aged_check(&kernel, &aged, max_ages[length][i], "plain");
			}
		}
		aged_open(&aged, false, (uint16_t)(sizeof(aged.reply) - length), length);
		aged_check(&kernel, &aged, max_ages[length][4], "last in the reply");
	}
	kernel_close(&kernel);
}

TEST("checksums are right with it, whole, left to the network card, and where there was none")
{
	static const struct {
		bool ipv6;
		enum frame_checksum checksum;
		const char *name;
	} forms[] = {
		{false, FRAME_CHECKSUM_FULL, "IPv4"},
		{false, FRAME_CHECKSUM_PARTIAL, "IPv4, offloaded"},
		{false, FRAME_CHECKSUM_ZERO, "IPv4 without"},
		{true, FRAME_CHECKSUM_FULL, "IPv6"},
		{true, FRAME_CHECKSUM_PARTIAL, "IPv6, offloaded"},
	};
	struct kernel kernel;
	struct aged aged;

	exchange_open(&kernel);
	for (size_t form = 0; form < sizeof(forms) / sizeof(*forms); form++) {
		for (unsigned int i = 0; i < 4 * 9; i++) {
			uint8_t length = (uint8_t)(1 + i % 4);

			aged_open(&aged, forms[form].ipv6, (uint16_t)(7 + i / 4 % 2), length);
			aged.exchange.flow.checksum = forms[form].checksum;
			aged.exchange.token_length = i / 4;
			aged_check(&kernel, &aged, max_ages[length][3], forms[form].name);
		}
	}
	kernel_close(&kernel);
}

TEST("it counts down second by second, ends with zero, and nothing is sent past the deadline")
{
	struct kernel kernel;
	struct coax_slot *slot;
	struct frame request;
	struct aged aged;

	exchange_open(&kernel);
	aged_open(&aged, true, 3, 2);
	exchange_request(&aged.exchange, &request);
	slot = aged_publish(&kernel, &aged, 0);
	for (uint32_t left = 300; left-- > 0;) {
		slot->deadline = now() + left * SECOND + SECOND / 2;
		aged_expect(&kernel, &aged, left, "counting down");
	}
	slot->deadline = now();
	/* The program's clock is a coarse one, that lags. */
	usleep(20000);
	EXPECT_OUTCOME(&kernel, &request, pass_withdrawn);
	slot->deadline = now() - SECOND;
	EXPECT_OUTCOME(&kernel, &request, pass_withdrawn);
	slot->deadline = now() + SECOND + SECOND / 2;
	aged_expect(&kernel, &aged, 1, "renewed");
	kernel_close(&kernel);
}

TEST("Max-Age of what is our own goes out in full, and what replaces a reply that aged does not age")
{
	static const uint8_t max_age[] = {0xd1, 0x01, 60};
	struct kernel kernel;
	struct aged aged;

	exchange_open(&kernel);
	aged_open(&aged, false, 2, 1);
	aged_check(&kernel, &aged, 17, "aged");
	memcpy(aged.reply, max_age, sizeof(max_age));
	aged_publish(&kernel, &aged, COAX_NEVER)->max_age_length = 0;
	exchange_expect(&kernel, &aged.exchange, "our own");
	kernel_close(&kernel);
}

TEST("a slot that says impossible things of Max-Age answers nothing")
{
	static const struct {
		uint16_t at;
		uint8_t length;
	} impossible[] = {{66, 1}, {65, 2}, {63, 4}, {64, 3}, {0xffff, 1}, {0, 5}, {0, 255}};
	struct kernel kernel;
	struct frame request;
	struct aged aged;

	exchange_open(&kernel);
	aged_open(&aged, false, 2, 1);
	exchange_request(&aged.exchange, &request);
	for (size_t i = 0; i < sizeof(impossible) / sizeof(*impossible); i++) {
		aged.at = impossible[i].at;
		aged.length = impossible[i].length;
		aged_publish(&kernel, &aged, now() + 100 * SECOND);
		EXPECT_OUTCOME(&kernel, &request, drop_raced);
	}
	kernel_close(&kernel);
}

TEST_MAIN()
