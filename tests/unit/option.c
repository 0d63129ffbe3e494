// SPDX-License-Identifier: BSD-2-Clause
/* Option numbers and their properties, and content formats. */
#include "../harness.h"

#include <coax/message.h>
#include <coax/option.h>

/* RFC 7252 table 4, RFC 7641 section 2, 7959 sections 2.1 and 4, 7967, 8768, 9175. */
static const struct {
	uint16_t number;
	const char *name;
	const char *properties; /* as in the RFCs' tables: C, U, N, R */
	enum coax_option_format format;
	uint16_t min;
	uint16_t max;
} registry[] = {
	{1, "If-Match", "CR", COAX_OPTION_OPAQUE, 0, 8},
	{3, "Uri-Host", "CU", COAX_OPTION_STRING, 1, 255},
	{4, "ETag", "R", COAX_OPTION_OPAQUE, 1, 8},
	{5, "If-None-Match", "C", COAX_OPTION_EMPTY, 0, 0},
	{6, "Observe", "U", COAX_OPTION_UINT, 0, 3},
	{7, "Uri-Port", "CU", COAX_OPTION_UINT, 0, 2},
	{8, "Location-Path", "R", COAX_OPTION_STRING, 0, 255},
	{11, "Uri-Path", "CUR", COAX_OPTION_STRING, 0, 255},
	{12, "Content-Format", "", COAX_OPTION_UINT, 0, 2},
	{14, "Max-Age", "U", COAX_OPTION_UINT, 0, 4},
	{15, "Uri-Query", "CUR", COAX_OPTION_STRING, 0, 255},
	{16, "Hop-Limit", "", COAX_OPTION_UINT, 1, 1},
	{17, "Accept", "C", COAX_OPTION_UINT, 0, 2},
	{20, "Location-Query", "R", COAX_OPTION_STRING, 0, 255},
	{23, "Block2", "CU", COAX_OPTION_UINT, 0, 3},
	{27, "Block1", "CU", COAX_OPTION_UINT, 0, 3},
	{28, "Size2", "N", COAX_OPTION_UINT, 0, 4},
	{35, "Proxy-Uri", "CU", COAX_OPTION_STRING, 1, 1034},
	{39, "Proxy-Scheme", "CU", COAX_OPTION_STRING, 1, 255},
	{60, "Size1", "N", COAX_OPTION_UINT, 0, 4},
	{252, "Echo", "N", COAX_OPTION_OPAQUE, 1, 40},
	{258, "No-Response", "U", COAX_OPTION_UINT, 0, 1},
	{292, "Request-Tag", "R", COAX_OPTION_OPAQUE, 0, 8},
};

#define REGISTERED (sizeof(registry) / sizeof(registry[0]))

TEST("each registered option has its name, format, length and properties")
{
	for (size_t i = 0; i < REGISTERED; i++) {
		const struct coax_option_info *info = coax_option_info(registry[i].number);
		const char *properties = registry[i].properties;
		uint16_t number = registry[i].number;

		ASSERT_TRUE(info != NULL);
		EXPECT_EQ(info->number, number);
		EXPECT_STREQ(info->name, registry[i].name);
		EXPECT_TRUE(info->format == registry[i].format);
		EXPECT_EQ(info->min, registry[i].min);
		EXPECT_EQ(info->max, registry[i].max);
		EXPECT_EQ(info->repeatable, strchr(properties, 'R') != NULL);
		EXPECT_EQ(coax_option_is_critical(number), strchr(properties, 'C') != NULL);
		EXPECT_EQ(coax_option_is_unsafe(number), strchr(properties, 'U') != NULL);
		EXPECT_EQ(coax_option_is_no_cache_key(number), strchr(properties, 'N') != NULL);
		EXPECT_TRUE(coax_option_by_name(registry[i].name) == info);
	}
}

TEST("no other option number is known")
{
	for (unsigned int number = 0, at = 0; number <= UINT16_MAX; number++) {
		if (at < REGISTERED && registry[at].number == number)
			at++;
		else
			ASSERT_TRUE(coax_option_info((uint16_t)number) == NULL);
	}
}

TEST("an option is found by name in any letter case")
{
	ASSERT_TRUE(coax_option_by_name("uri-path") != NULL);
	EXPECT_EQ(coax_option_by_name("uri-path")->number, COAX_URI_PATH);
	EXPECT_EQ(coax_option_by_name("ETAG")->number, COAX_ETAG);
	EXPECT_EQ(coax_option_by_name("request-Tag")->number, COAX_REQUEST_TAG);
	EXPECT_TRUE(coax_option_by_name("Uri-Pat") == NULL);
	EXPECT_TRUE(coax_option_by_name("Uri-Paths") == NULL);
	EXPECT_TRUE(coax_option_by_name("") == NULL);
}

static const uint16_t understood[] = {COAX_URI_PATH, COAX_ACCEPT,	 COAX_IF_MATCH,
				      COAX_URI_HOST, COAX_IF_NONE_MATCH, 2049};

static uint16_t bad_option(struct coax_message *m)
{
	return coax_message_bad_option(m, understood, sizeof(understood) / sizeof(understood[0]));
}

static void start(struct coax_message *m)
{
	static uint8_t buffer[70000];

	coax_message_start(m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
}

TEST("a message of understood options has no bad one")
{
	struct coax_message m;

	start(&m);
	EXPECT_EQ(bad_option(&m), 0);
	coax_message_add_string(&m, COAX_URI_PATH, "a");
	coax_message_add_string(&m, COAX_URI_PATH, "b");
	coax_message_add_string(&m, COAX_URI_PATH, "");
	coax_message_add_uint(&m, COAX_ACCEPT, 0);
	coax_message_add(&m, COAX_IF_MATCH, "12345678", 8);
	coax_message_add(&m, COAX_IF_MATCH, NULL, 0);
	EXPECT_EQ(bad_option(&m), 0);
}

TEST("an unknown critical option is bad, an unknown elective one is not")
{
	struct coax_message m;

	start(&m);
	coax_message_add_uint(&m, 2048, 1);
	coax_message_add_uint(&m, 2048, 1);
	coax_message_add_uint(&m, COAX_SIZE1, 1);
	EXPECT_EQ(bad_option(&m), 0);
	coax_message_add_uint(&m, 65535, 1);
	EXPECT_EQ(bad_option(&m), 65535);
	coax_message_add_uint(&m, COAX_URI_QUERY, 1);
	EXPECT_EQ(bad_option(&m), COAX_URI_QUERY);
	coax_message_add_uint(&m, 13, 1);
	EXPECT_EQ(bad_option(&m), 13);
}

TEST("a repetition of a critical option that is not repeatable is bad")
{
	struct coax_message m;

	start(&m);
	coax_message_add_uint(&m, COAX_ACCEPT, 0);
	coax_message_add_uint(&m, COAX_ACCEPT, 50);
	EXPECT_EQ(bad_option(&m), COAX_ACCEPT);
	start(&m);
	coax_message_add_string(&m, COAX_URI_HOST, "a");
	coax_message_add_string(&m, COAX_URI_HOST, "a");
	EXPECT_EQ(bad_option(&m), COAX_URI_HOST);
	start(&m);
	coax_message_add_uint(&m, COAX_MAX_AGE, 1);
	coax_message_add_uint(&m, COAX_MAX_AGE, 1);
	EXPECT_EQ(bad_option(&m), 0);
}

TEST("a critical option whose length is outside its definition is bad, an elective one is not")
{
	static const struct {
		uint16_t number;
		size_t length;
		bool bad;
	} cases[] = {
		{COAX_URI_PATH, 255, false},
		{COAX_URI_PATH, 256, true},
		{COAX_URI_PATH, 65804, true},
		{COAX_URI_HOST, 0, true},
		{COAX_URI_HOST, 255, false},
		{COAX_URI_HOST, 256, true},
		{COAX_ACCEPT, 2, false},
		{COAX_ACCEPT, 3, true},
		{COAX_IF_NONE_MATCH, 0, false},
		{COAX_IF_NONE_MATCH, 1, true},
		{COAX_IF_MATCH, 8, false},
		{COAX_IF_MATCH, 9, true},
		{COAX_CONTENT_FORMAT, 3, false},
		{COAX_ETAG, 0, false},
		/* 65536 + 2: must not be taken for 2. */
		{COAX_ACCEPT, 65538, true},
	};
	static uint8_t value[65804];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct coax_message m;

		start(&m);
		ASSERT_EQ(coax_message_add(&m, cases[i].number, value, cases[i].length), 0);
		EXPECT_EQ(bad_option(&m), cases[i].bad ? cases[i].number : 0);
	}
}

TEST("an understood option without a definition here may have any length and be repeated")
{
	struct coax_message m;

	start(&m);
	coax_message_add(&m, 2049, NULL, 0);
	coax_message_add(&m, 2049, "0123456789", 10);
	EXPECT_EQ(bad_option(&m), 0);
}

static const uint16_t block_options[] = {COAX_BLOCK1, COAX_BLOCK2};

/* Into `key`; a buffer of just the message's length has to do. */
static size_t cache_key(const struct coax_message *m, uint8_t key[512])
{
	uint8_t *exact = malloc(m->length);
	int length = coax_message_cache_key(m, block_options, 2, exact, m->length);

	ASSERT_GT(length, 0);
	ASSERT_LE(length, 512);
	memcpy(key, exact, (size_t)length);
	free(exact);
	return (size_t)length;
}

struct key_option {
	uint16_t number;
	const char *value;
	size_t length;
};

#define KEY_OPTIONS 4

static size_t key_of(uint8_t code, const struct key_option options[KEY_OPTIONS], uint8_t key[512])
{
	struct coax_message m;

	start(&m);
	coax_message_set_code(&m, code);
	coax_message_add_string(&m, COAX_URI_PATH, "fw");
	for (int i = 0; i < KEY_OPTIONS && options[i].number; i++)
		coax_message_add(&m, options[i].number, options[i].value, options[i].length);
	return cache_key(&m, key);
}

static bool same_key(uint8_t code, const struct key_option a[KEY_OPTIONS], uint8_t other_code,
		     const struct key_option b[KEY_OPTIONS])
{
	uint8_t key[512], other[512];
	size_t length = key_of(code, a, key);

	return key_of(other_code, b, other) == length && memcmp(key, other, length) == 0;
}

TEST("requests have the same cache key when method and the options that are part of it agree")
{
	static const struct {
		const char *what;
		struct key_option a[KEY_OPTIONS], b[KEY_OPTIONS];
		bool same;
	} cases[] = {
		{"nothing", {{0}}, {{0}}, true},
		{"Size1", {{COAX_SIZE1, "\1", 1}}, {{0}}, true},
		{"Size2", {{COAX_SIZE2, "", 0}}, {{0}}, true},
		{"Echo", {{COAX_ECHO, "e", 1}}, {{COAX_ECHO, "f", 1}}, true},
		{"unknown, NoCacheKey", {{0x7fc, "e", 1}}, {{0}}, true},
		{"Observe", {{COAX_OBSERVE, "", 0}}, {{COAX_OBSERVE, "\1", 1}}, true},
		{"Block1, of the left out", {{COAX_BLOCK1, "\x16", 1}}, {{0}}, true},
		{"Block2, of the left out",
		 {{COAX_BLOCK2, "\x16", 1}},
		 {{COAX_BLOCK2, "\x26", 1}},
		 true},
		{"Request-Tag", {{COAX_REQUEST_TAG, "a", 1}}, {{COAX_REQUEST_TAG, "b", 1}}, false},
		{"empty Request-Tag", {{COAX_REQUEST_TAG, "", 0}}, {{0}}, false},
		{"Accept", {{COAX_ACCEPT, "\x32", 1}}, {{0}}, false},
		{"Accept 0", {{COAX_ACCEPT, "", 0}}, {{0}}, false},
		{"Accept, leading zero",
		 {{COAX_ACCEPT, "\x32", 1}},
		 {{COAX_ACCEPT, "\0\x32", 2}},
		 true},
		{"Accept 0 of no and two bytes",
		 {{COAX_ACCEPT, "", 0}},
		 {{COAX_ACCEPT, "\0\0", 2}},
		 true},
		{"Accept, too long to be one",
		 {{COAX_ACCEPT, "\x32", 1}},
		 {{COAX_ACCEPT, "\0\0\x32", 3}},
		 false},
		{"Hop-Limit 0, and too short to be one",
		 {{COAX_HOP_LIMIT, "\0", 1}},
		 {{COAX_HOP_LIMIT, "", 0}},
		 false},
		{"ETag, leading zero", {{COAX_ETAG, "\0a", 2}}, {{COAX_ETAG, "a", 1}}, false},
		{"unknown, part of the key", {{0x7f8, "e", 1}}, {{0}}, false},
		{"number", {{COAX_URI_PATH, "a", 1}}, {{COAX_URI_QUERY, "a", 1}}, false},
		{"where one value ends",
		 {{COAX_URI_PATH, "ab", 2}, {COAX_URI_PATH, "c", 1}},
		 {{COAX_URI_PATH, "a", 1}, {COAX_URI_PATH, "bc", 2}},
		 false},
		{"order of values",
		 {{COAX_URI_QUERY, "a", 1}, {COAX_URI_QUERY, "b", 1}},
		 {{COAX_URI_QUERY, "b", 1}, {COAX_URI_QUERY, "a", 1}},
		 false},
		{"behind what is left out",
		 {{COAX_OBSERVE, "", 0}, {COAX_BLOCK2, "\6", 1}, {COAX_REQUEST_TAG, "t", 1}},
		 {{COAX_SIZE1, "\1", 1}, {COAX_REQUEST_TAG, "t", 1}},
		 true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (same_key(COAX_PUT, cases[i].a, COAX_PUT, cases[i].b) != cases[i].same) {
			HARNESS_SAY("%s", cases[i].what);
			harness_failed = 1;
		}
		EXPECT_FALSE(same_key(COAX_PUT, cases[i].a, COAX_POST, cases[i].b));
	}
}

TEST("token, type, message ID and payload are no part of the cache key")
{
	uint8_t buffer[64], key[512], other[512];
	struct coax_message m;
	size_t length;

	start(&m);
	coax_message_add_string(&m, COAX_URI_PATH, "fw");
	length = cache_key(&m, key);
	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_GET, 7, "token", 5);
	coax_message_add_string(&m, COAX_URI_PATH, "fw");
	coax_message_set_payload(&m, "payload", 7);
	ASSERT_EQ(cache_key(&m, other), length);
	EXPECT_MEMEQ(other, key, length);
}

TEST("a cache key that does not fit is refused and written nowhere else")
{
	struct coax_message m;
	uint8_t key[512];
	int length;

	start(&m);
	coax_message_add_string(&m, COAX_URI_PATH, "a path");
	coax_message_add_string(&m, COAX_URI_QUERY, "a query that is longer than 12");
	coax_message_add(&m, COAX_REQUEST_TAG, NULL, 0);
	length = (int)cache_key(&m, key);
	for (size_t size = 0; size < (size_t)length; size++) {
		uint8_t *small = malloc(size + !size);

		EXPECT_EQ(coax_message_cache_key(&m, NULL, 0, small, size), -EMSGSIZE);
		free(small);
	}
	EXPECT_EQ(coax_message_cache_key(&m, NULL, 0, key, (size_t)length), length);
}

TEST("content formats are known by number, by media type and by digits")
{
	EXPECT_STREQ(coax_content_format_name(COAX_FORMAT_JSON), "application/json");
	EXPECT_STREQ(coax_content_format_name(COAX_FORMAT_LINK), "application/link-format");
	EXPECT_STREQ(coax_content_format_name(0), "text/plain;charset=utf-8");
	EXPECT_STREQ(coax_content_format_name(COAX_FORMAT_JSON_PATCH),
		     "application/json-patch+json");
	EXPECT_STREQ(coax_content_format_name(COAX_FORMAT_MERGE_PATCH),
		     "application/merge-patch+json");
	EXPECT_STREQ(coax_content_format_name(COAX_FORMAT_CBOR_SEQ), "application/cbor-seq");
	EXPECT_STREQ(coax_content_format_name(COAX_FORMAT_SENML_ETCH_CBOR),
		     "application/senml-etch+cbor");
	EXPECT_TRUE(coax_content_format_name(65535) == NULL);

	EXPECT_EQ(coax_content_format_by_name("application/json"), 50);
	EXPECT_EQ(coax_content_format_by_name("Application/CBOR"), 60);
	EXPECT_EQ(coax_content_format_by_name("text/plain"), 0);
	EXPECT_EQ(coax_content_format_by_name("text/plain;charset=utf-8"), 0);
	EXPECT_EQ(coax_content_format_by_name("application/merge-patch+json"), 52);
	EXPECT_EQ(coax_content_format_by_name("application/senml-etch+json"), 320);
	EXPECT_EQ(coax_content_format_by_name("0"), 0);
	EXPECT_EQ(coax_content_format_by_name("12345"), 12345);
	EXPECT_EQ(coax_content_format_by_name("65535"), 65535);
	EXPECT_EQ(coax_content_format_by_name("65536"), -ENOENT);
	EXPECT_EQ(coax_content_format_by_name("99999999999999999999"), -ENOENT);
	EXPECT_EQ(coax_content_format_by_name("50x"), -ENOENT);
	EXPECT_EQ(coax_content_format_by_name("-1"), -ENOENT);
	EXPECT_EQ(coax_content_format_by_name("application/jso"), -ENOENT);
	EXPECT_EQ(coax_content_format_by_name(""), -ENOENT);
}

TEST("who passes a message on lets unknown critical options pass that are safe to forward")
{
	static const uint16_t understood[] = {COAX_ACCEPT};
	uint8_t bytes[64];
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, bytes, sizeof(bytes), COAX_TYPE_CON, COAX_GET, 0, NULL, 0),
		  0);
	ASSERT_EQ(coax_message_add(&m, 2049, "x", 1), 0);
	EXPECT_EQ(coax_message_bad_option(&m, understood, 1), 2049);
	EXPECT_EQ(coax_message_bad_option_proxying(&m, understood, 1), 0);
	ASSERT_EQ(coax_message_add_uint(&m, COAX_ACCEPT, 60), 0);
	EXPECT_EQ(coax_message_bad_option_proxying(&m, understood, 1), 0);
	ASSERT_EQ(coax_message_add_uint(&m, COAX_ACCEPT, 0), 0);
	EXPECT_EQ(coax_message_bad_option_proxying(&m, understood, 1), COAX_ACCEPT);
	coax_message_remove(&m, COAX_ACCEPT);
	/* Safe, but known: who knows it has to understand it. */
	ASSERT_EQ(coax_message_add(&m, COAX_IF_MATCH, "e", 1), 0);
	EXPECT_EQ(coax_message_bad_option_proxying(&m, understood, 1), COAX_IF_MATCH);
	coax_message_remove(&m, COAX_IF_MATCH);
	ASSERT_EQ(coax_message_add(&m, 2051, "x", 1), 0);
	EXPECT_EQ(coax_message_bad_option_proxying(&m, understood, 1), 2051);
}

TEST_MAIN()
