// SPDX-License-Identifier: BSD-2-Clause
/* Addresses as text. */
#include "../harness.h"

#include <net/if.h>

#include <coax/address.h>

static char *reformat(const char *text)
{
	static char formatted[COAX_ADDRESS_TEXT_MAX];
	union coax_address address;

	if (coax_address_parse(&address, text, 5683) != 0)
		return NULL;
	return coax_address_format(&address, formatted);
}

TEST("each form of an address is read, and the port stands in where the text has none")
{
	static const struct {
		const char *text;
		const char *formatted;
	} cases[] = {
		{"192.0.2.1", "192.0.2.1:5683"},
		{"192.0.2.1:7", "192.0.2.1:7"},
		{"0.0.0.0:65535", "0.0.0.0:65535"},
		{"2001:db8::1", "[2001:db8::1]:5683"},
		{"2001:DB8:0:0::1", "[2001:db8::1]:5683"},
		{"[2001:db8::1]", "[2001:db8::1]:5683"},
		{"[2001:db8::1]:0", "[2001:db8::1]:0"},
		{"::", "[::]:5683"},
		{"[::]:5684", "[::]:5684"},
		{"::1", "[::1]:5683"},
		{"fe80::1%lo", "[fe80::1%lo]:5683"},
		{"[fe80::1%lo]:99", "[fe80::1%lo]:99"},
		{"ff02::fd%lo", "[ff02::fd%lo]:5683"},
		{"fe80::1%4294967295", "[fe80::1%4294967295]:5683"},
		{"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:5683"},
		{"*", "*:5683"},
		{"*:7", "*:7"},
		{":7", "*:7"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT_STREQ(reformat(cases[i].text), cases[i].formatted);
		EXPECT_STREQ(reformat(cases[i].formatted), cases[i].formatted);
	}
}

TEST("an address without family stands for both")
{
	union coax_address address;

	ASSERT_EQ(coax_address_parse(&address, "*:99", 1), 0);
	EXPECT_EQ(address.sa.sa_family, AF_UNSPEC);
	EXPECT_EQ(coax_address_port(&address), 99);
	ASSERT_EQ(coax_address_parse(&address, "*", 1), 0);
	EXPECT_EQ(coax_address_port(&address), 1);
}

TEST("a zone is an interface's name or index")
{
	union coax_address address;

	ASSERT_EQ(coax_address_parse(&address, "fe80::1%lo", 1), 0);
	EXPECT_EQ(address.in6.sin6_scope_id, if_nametoindex("lo"));
	ASSERT_EQ(coax_address_parse(&address, "[fe80::1%7777]:5", 1), 0);
	EXPECT_EQ(address.in6.sin6_scope_id, 7777u);
}

TEST("what is no address is refused")
{
	static const char *const cases[] = {
		"",
		" ",
		"192.0.2",
		"192.0.2.1.",
		"192.0.2.256",
		"192.0.2.1:",
		"192.0.2.1:x",
		"192.0.2.1:65536",
		"192.0.2.1:-1",
		"192.0.2.1:+1",
		"192.0.2.1: 1",
		"192.0.2.1:99999999999999999999",
		"192.0.2.1%lo",
		":",
		"*:",
		"*x",
		"**",
		"[",
		"]",
		"[]",
		"[]:1",
		"[::1",
		"[::1]x",
		"[::1]x5",
		"[::1]:",
		"[::1]:65536",
		"[::1]:1:2",
		"[192.0.2.1]",
		"[192.0.2.1]:1",
		":::",
		"1:2",
		"2001:db8::1::2",
		"2001:db8::1]:5",
		"fe80::1%",
		"fe80::1%no-such-link",
		"fe80::1%0",
		"fe80::1%4294967296",
		"fe80::1%99999999999999999999",
		"fe80::1%-1",
		"localhost",
		"localhost:5683",
		"0000000000000000000000000000000000000000000000000000000000000000000000000000000000"
		"0000",
		"[fe80::1%"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]:"
		"5683",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		union coax_address address;

		if (coax_address_parse(&address, cases[i], 5683) != -EINVAL) {
			HARNESS_SAY("\"%s\" was taken", cases[i]);
			harness_failed = 1;
		}
	}
}

static bool equal(const char *a, const char *b)
{
	union coax_address first, second;

	if (coax_address_parse(&first, a, 5683) || coax_address_parse(&second, b, 5683))
		return false;
	return coax_address_equal(&first, &second) && coax_address_equal(&second, &first);
}

TEST("addresses are equal in family, address, port and, on a link, scope")
{
	EXPECT_TRUE(equal("192.0.2.1", "192.0.2.1:5683"));
	EXPECT_FALSE(equal("192.0.2.1", "192.0.2.2"));
	EXPECT_FALSE(equal("192.0.2.1", "192.0.2.1:1"));
	EXPECT_FALSE(equal("192.0.2.1", "::ffff:192.0.2.1"));
	EXPECT_FALSE(equal("0.0.0.0", "*"));
	EXPECT_TRUE(equal("*", ":5683"));
	EXPECT_FALSE(equal("*", "*:1"));
	EXPECT_TRUE(equal("2001:db8::1", "[2001:db8:0::1]:5683"));
	EXPECT_FALSE(equal("2001:db8::1", "2001:db8::2"));
	EXPECT_FALSE(equal("2001:db8::1", "[2001:db8::1]:1"));
	EXPECT_TRUE(equal("2001:db8::1%7", "2001:db8::1"));
	EXPECT_TRUE(equal("fe80::1%7", "fe80::1%7"));
	EXPECT_FALSE(equal("fe80::1%7", "fe80::1%8"));
	EXPECT_FALSE(equal("ff02::fd%7", "ff02::fd%8"));
}

static bool is_multicast(const char *text)
{
	union coax_address address;

	return coax_address_parse(&address, text, 5683) == 0 && coax_address_is_multicast(&address);
}

TEST("multicast and broadcast addresses are told from the others")
{
	EXPECT_TRUE(is_multicast("224.0.1.187"));
	EXPECT_TRUE(is_multicast("239.255.255.255"));
	EXPECT_TRUE(is_multicast("255.255.255.255"));
	EXPECT_TRUE(is_multicast("ff02::fd"));
	EXPECT_TRUE(is_multicast("ff05::fd"));
	EXPECT_TRUE(is_multicast("::ffff:224.0.1.187"));
	EXPECT_FALSE(is_multicast("192.0.2.1"));
	EXPECT_FALSE(is_multicast("240.0.0.1"));
	EXPECT_FALSE(is_multicast("223.255.255.255"));
	EXPECT_FALSE(is_multicast("fe80::1"));
	EXPECT_FALSE(is_multicast("::ffff:192.0.2.1"));
	EXPECT_FALSE(is_multicast("*"));
}

TEST("the length handed to the kernel is the family's")
{
	union coax_address address;

	coax_address_parse(&address, "192.0.2.1", 1);
	EXPECT_EQ(coax_address_length(&address), sizeof(struct sockaddr_in));
	coax_address_parse(&address, "::1", 1);
	EXPECT_EQ(coax_address_length(&address), sizeof(struct sockaddr_in6));
}

TEST_MAIN()
