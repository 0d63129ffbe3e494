// SPDX-License-Identifier: BSD-2-Clause
/* How coax shows payloads on a terminal. */
#include "../harness.h"

#include <coax/option.h>
#include "../../tools/coax/show.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static size_t from_hex(const char *hex, uint8_t *bytes)
{
	size_t length = 0;
	unsigned int byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		bytes[length++] = (uint8_t)byte;
	return length;
}

/* What show_payload() prints. The result lives until the next call. */
static const char *shown(int format, const void *data, size_t length)
{
	static char *text;
	size_t size;
	FILE *stream;

	free(text);
	stream = open_memstream(&text, &size);
	ASSERT_TRUE(stream != NULL);
	show_payload(stream, format, data, length);
	fclose(stream);
	return text;
}

static const char *shown_text(int format, const char *text)
{
	return shown(format, text, strlen(text));
}

static const char *shown_hex(int format, const char *hex)
{
	uint8_t bytes[512];

	return shown(format, bytes, from_hex(hex, bytes));
}

TEST("text is shown as it is, with a newline at the end")
{
	EXPECT_STREQ(shown_text(COAX_FORMAT_TEXT_PLAIN, "21.5 \xc2\xb0"
							"C"),
		     "21.5 \xc2\xb0"
		     "C\n");
	EXPECT_STREQ(shown_text(COAX_FORMAT_TEXT_PLAIN, "a\tb\r\n\nc\n"), "a\tb\n\nc\n");
	EXPECT_STREQ(shown_text(SHOW_FORMAT_UNKNOWN, "hello"), "hello\n");
	EXPECT_STREQ(shown_text(COAX_FORMAT_XML, "<a/>"), "<a/>\n");
	EXPECT_STREQ(shown(COAX_FORMAT_TEXT_PLAIN, NULL, 0), "");
}

TEST("what could drive a terminal is escaped")
{
	EXPECT_STREQ(shown_text(COAX_FORMAT_TEXT_PLAIN, "\033[2Jx\ry\x7f"),
		     "\\x1b[2Jx\\x0dy\\x7f\n");
	EXPECT_STREQ(shown_text(COAX_FORMAT_TEXT_PLAIN, "\xc2\x9b"
							"2J"),
		     "\\xc2\\x9b"
		     "2J\n");
	EXPECT_STREQ(shown_text(COAX_FORMAT_TEXT_PLAIN, "\xe2\x80\xae"
							"txt"),
		     "\\xe2\\x80\\xaetxt\n");
	EXPECT_STREQ(shown_text(COAX_FORMAT_JSON, "[\"\x7f\"]"), "[\n  \"\\x7f\"\n]\n");
	EXPECT_STREQ(shown_hex(COAX_FORMAT_CBOR, "621b5b"), "\"\\u001b[\"\n");
	EXPECT_STREQ(shown_text(COAX_FORMAT_LINK, "</\033>"), "</\\x1b>\n");
}

TEST("bytes that are no text are shown as a hex dump")
{
	EXPECT_STREQ(shown_hex(COAX_FORMAT_TEXT_PLAIN, "61ff"),
		     "00000000  61 ff                                             |a.|\n");
	EXPECT_STREQ(shown_hex(SHOW_FORMAT_UNKNOWN, "000102030405060708090a0b0c0d0e0f7e"),
		     "00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  "
		     "|................|\n"
		     "00000010  7e                                                |~|\n");
	EXPECT_STREQ(shown_text(23, "PNG"),
		     "00000000  50 4e 47                                          |PNG|\n");
}

TEST("JSON is indented, and nothing else of it changed")
{
	EXPECT_STREQ(shown_text(COAX_FORMAT_JSON,
				" {\"a\":[1, 0.10,{}] ,\"b\" : {\"c\\\"}\":null},\"a\":[ ]}\n"),
		     "{\n"
		     "  \"a\": [\n"
		     "    1,\n"
		     "    0.10,\n"
		     "    {}\n"
		     "  ],\n"
		     "  \"b\": {\n"
		     "    \"c\\\"}\": null\n"
		     "  },\n"
		     "  \"a\": []\n"
		     "}\n");
	EXPECT_STREQ(shown_text(COAX_FORMAT_JSON, "true"), "true\n");
	EXPECT_STREQ(shown_text(COAX_FORMAT_SENML_JSON, "[{\"v\":123456789012345678901}]"),
		     "[\n  {\n    \"v\": 123456789012345678901\n  }\n]\n");
}

TEST("what claims to be JSON and is not is shown as text")
{
	EXPECT_STREQ(shown_text(COAX_FORMAT_JSON, "{\"a\":"), "{\"a\":\n");
	EXPECT_STREQ(shown_text(COAX_FORMAT_JSON, "{} {}"), "{} {}\n");
}

TEST("link-format is shown a link a line, the attributes aligned")
{
	EXPECT_STREQ(shown_text(COAX_FORMAT_LINK, "</a>;rt=\"x y\";obs,</longer>;ct=40"),
		     "/a       rt=\"x y\" obs\n"
		     "/longer  ct=40\n");
	EXPECT_STREQ(shown_text(COAX_FORMAT_LINK, "</a"), "</a\n");
}

/* RFC 8949 appendix A; of big numbers the tag is shown. */
static const struct {
	const char *hex;
	const char *notation;
} examples[] = {
	{"00", "0"},
	{"17", "23"},
	{"1818", "24"},
	{"1903e8", "1000"},
	{"1a000f4240", "1000000"},
	{"1bffffffffffffffff", "18446744073709551615"},
	{"c249010000000000000000", "2(h'010000000000000000')"},
	{"3bffffffffffffffff", "-18446744073709551616"},
	{"20", "-1"},
	{"3863", "-100"},
	{"3903e7", "-1000"},
	{"3a000f423f", "-1000000"},
	{"f90000", "0.0"},
	{"f98000", "-0.0"},
	{"f93c00", "1.0"},
	{"fb3ff199999999999a", "1.1"},
	{"f93e00", "1.5"},
	{"f97bff", "65504.0"},
	{"fa47c35000", "100000.0"},
	{"fa7f7fffff", "3.4028234663852886e+38"},
	{"fb7e37e43c8800759c", "1.0e+300"},
	{"f90001", "5.9604644775390625e-8"},
	{"f90400", "0.00006103515625"},
	{"f9c400", "-4.0"},
	{"fbc010666666666666", "-4.1"},
	{"f97c00", "Infinity"},
	{"f97e00", "NaN"},
	{"f9fc00", "-Infinity"},
	{"fa7f800000", "Infinity"},
	{"fb7ff8000000000000", "NaN"},
	{"f4", "false"},
	{"f5", "true"},
	{"f6", "null"},
	{"f7", "undefined"},
	{"f0", "simple(16)"},
	{"f8ff", "simple(255)"},
	{"c074323031332d30332d32315432303a30343a30305a", "0(\"2013-03-21T20:04:00Z\")"},
	{"c1fb41d452d9e8600000", "1(1363896225.5)"},
	{"d818456449455446", "24(h'6449455446')"},
	{"40", "h''"},
	{"4401020304", "h'01020304'"},
	{"60", "\"\""},
	{"62225c", "\"\\\"\\\\\""},
	{"62c3bc", "\"\xc3\xbc\""},
	{"64f0908591", "\"\xf0\x90\x85\x91\""},
	{"80", "[]"},
	{"83010203", "[1, 2, 3]"},
	{"8301820203820405", "[1, [2, 3], [4, 5]]"},
	{"a0", "{}"},
	{"a201020304", "{1: 2, 3: 4}"},
	{"a26161016162820203", "{\"a\": 1, \"b\": [2, 3]}"},
	{"826161a161626163", "[\"a\", {\"b\": \"c\"}]"},
	{"5f42010243030405ff", "(_ h'0102', h'030405')"},
	{"7f657374726561646d696e67ff", "(_ \"strea\", \"ming\")"},
	{"5fff", "''_"},
	{"7fff", "\"\"_"},
	{"9fff", "[_]"},
	{"9f018202039f0405ffff", "[_ 1, [2, 3], [_ 4, 5]]"},
	{"83018202039f0405ff", "[1, [2, 3], [_ 4, 5]]"},
	{"bf61610161629f0203ffff", "{_ \"a\": 1, \"b\": [_ 2, 3]}"},
	{"826161bf61626163ff", "[\"a\", {_ \"b\": \"c\"}]"},
	{"c180", "1([])"},
};

TEST("CBOR is shown in diagnostic notation")
{
	for (size_t i = 0; i < COUNT(examples); i++) {
		char line[128];

		snprintf(line, sizeof(line), "%s\n", examples[i].notation);
		EXPECT_STREQ(shown_hex(COAX_FORMAT_CBOR, examples[i].hex), line);
	}
}

TEST("long CBOR is broken into lines, the outer containers first")
{
	EXPECT_STREQ(shown_hex(COAX_FORMAT_SENML_CBOR,
			       "82a3217575726e3a6465763a6f773a3130653230373361303103"
			       "63436e6c0268616161616161616"
			       "1a300666375727272"
			       "65016141"
			       "02fb3ff3333333333333"),
		     "[\n"
		     "  {-2: \"urn:dev:ow:10e2073a01\", 3: \"Cnl\", 2: \"aaaaaaaa\"},\n"
		     "  {0: \"currre\", 1: \"A\", 2: 1.2}\n"
		     "]\n");
}

TEST("a CBOR sequence is shown an item a line")
{
	EXPECT_STREQ(shown_hex(COAX_FORMAT_CBOR_SEQ, "01820203a0"), "1\n[2, 3]\n{}\n");
	EXPECT_EQ(strncmp(shown_hex(COAX_FORMAT_CBOR, "0102"), "00000000  01 02 ", 16), 0);
}

/* RFC 8949 appendix F, and what only a hostile peer would send. */
static const char *const broken[] = {
	"18",
	"19",
	"1a0102",
	"38",
	"58",
	"98",
	"9a01ff00",
	"b8",
	"d8",
	"f800",
	"f81f",
	"fa0000",
	"5f",
	"7f",
	"9f",
	"bf",
	"41",
	"61",
	"5affffffff00",
	"5bffffffffffffffff010203",
	"7bffffffffffffffff",
	"81",
	"8181",
	"8200",
	"a1",
	"a20102",
	"a100",
	"c0",
	"9f8000",
	"1c",
	"1f",
	"3c",
	"5c",
	"fc",
	"ff",
	"81ff",
	"8200ff",
	"a1ff",
	"a100ff",
	"9f81ff",
	"bf00ff",
	"5f00ff",
	"5f21ff",
	"5f6100ff",
	"5f80ff",
	"5fc000ff",
	"5ff6ff",
	"5f5f4100ffff",
	"7f4100ff",
	"c0ff",
	"9bffffffffffffffff",
	"bb8000000000000000",
	"bbffffffffffffffff",
	"9b7fffffffffffffff01",
};

TEST("what claims to be CBOR and is not well-formed is shown as a hex dump")
{
	for (size_t i = 0; i < COUNT(broken); i++) {
		char text[16];

		snprintf(text, 11, "%s", shown_hex(COAX_FORMAT_CBOR, broken[i]));
		EXPECT_STREQ(text, "00000000  ");
	}
}

TEST("CBOR text that is not UTF-8 has its bytes escaped, each that is wrong")
{
	static const char *const texts[][2] = {
		{"62c328", "\"\\xc3(\"\n"},			/* a lead byte alone */
		{"61ff", "\"\\xff\"\n"},			/* never in UTF-8 */
		{"62c080", "\"\\xc0\\x80\"\n"},			/* overlong */
		{"63eda080", "\"\\xed\\xa0\\x80\"\n"},		/* a surrogate */
		{"64f4908080", "\"\\xf4\\x90\\x80\\x80\"\n"},	/* beyond U+10FFFF */
		{"63c3bcc3", "\"\xc3\xbc\\xc3\"\n"},		/* cut off */
		{"7f61c361bcff", "(_ \"\\xc3\", \"\\xbc\")\n"}, /* RFC 8949 section 3.2.3 */
		{"a161ff00", "{\"\\xff\": 0}\n"},
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		EXPECT_STREQ(shown_hex(COAX_FORMAT_CBOR, texts[i][0]), texts[i][1]);
}

/* `count` bytes, and a 0 that they are around. */
static bool is_shown_around(uint8_t byte, size_t count)
{
	static uint8_t bytes[100001];

	memset(bytes, byte, count);
	bytes[count] = 0;
	return strncmp(shown(COAX_FORMAT_CBOR, bytes, count + 1), "00000000  ", 10) != 0;
}

TEST("CBOR nested more than 128 deep is shown as a hex dump")
{
	static const uint8_t nesting[] = {0x81, 0xa1, 0xc1};

	EXPECT_TRUE(is_shown_around(0x81, 128));
	EXPECT_TRUE(is_shown_around(0xc1, 128));
	for (size_t i = 0; i < COUNT(nesting); i++) {
		EXPECT_TRUE(!is_shown_around(nesting[i], 129));
		EXPECT_TRUE(!is_shown_around(nesting[i], 100000));
	}
	/* Not closed, and without a length to be caught by. */
	EXPECT_TRUE(!is_shown_around(0x9f, 100000));
	EXPECT_TRUE(!is_shown_around(0xbf, 100000));
	EXPECT_TRUE(!is_shown_around(0x5f, 100000));
}

TEST("tags are shown around what they are about, also within each other")
{
	EXPECT_STREQ(shown_hex(COAX_FORMAT_CBOR, "c1c2d9d9f783c100f6c3a0"),
		     "1(2(55799([1(0), null, 3({})])))\n");
	EXPECT_STREQ(shown_hex(COAX_FORMAT_CBOR, "dbffffffffffffffff9fc100ff"),
		     "18446744073709551615([_ 1(0)])\n");
	EXPECT_STREQ(shown_hex(COAX_FORMAT_CBOR, "d90100a1c101c102"), "256({1(1): 1(2)})\n");
}

/* Every beginning of a document is no document. */
TEST("CBOR that is cut off anywhere is shown as a hex dump")
{
	uint8_t bytes[512];

	for (size_t i = 0; i < COUNT(examples); i++) {
		size_t length = from_hex(examples[i].hex, bytes);

		for (size_t cut = 1; cut < length; cut++)
			EXPECT_EQ(strncmp(shown(COAX_FORMAT_CBOR, bytes, cut), "00000000  ", 10),
				  0);
	}
}

TEST_MAIN()
