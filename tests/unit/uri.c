// SPDX-License-Identifier: BSD-2-Clause
/* URIs to options and back: RFC 7252 section 6. */
#include "../harness.h"

#include <coax/message.h>
#include <coax/option.h>
#include <coax/uri.h>

static uint8_t buffer[70000];
static struct coax_message message;

static void start(void)
{
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
}

static void append(char *line, const char *label, const uint8_t *value, size_t length)
{
	strcat(line, label);
	line += strlen(line);
	for (size_t i = 0; i < length; i++) {
		if (value[i] > ' ' && value[i] < 0x7f)
			line += sprintf(line, "%c", value[i]);
		else
			line += sprintf(line, "<%02x>", value[i]);
	}
}

/* The Uri-* options as "H=host P=port /segment /segment ?argument", separated by spaces. */
static const char *options_text(void)
{
	static char line[4096];
	struct coax_option_iterator it = coax_options_begin(&message);
	struct coax_option option;

	line[0] = '\0';
	while (coax_options_next(&it, &option)) {
		if (line[0])
			strcat(line, " ");
		if (option.number == COAX_URI_HOST)
			append(line, "H=", option.value, option.length);
		else if (option.number == COAX_URI_PATH)
			append(line, "/", option.value, option.length);
		else if (option.number == COAX_URI_QUERY)
			append(line, "?", option.value, option.length);
		else if (option.number == COAX_URI_PORT)
			sprintf(line + strlen(line), "P=%u", coax_option_uint(&option));
	}
	return line;
}

/* The options of a request for `text` to the URI's own port. */
static const char *options_of(const char *text)
{
	struct coax_uri uri;
	const char *error;

	start();
	if (coax_uri_parse(&uri, text, &error) != 0)
		return error;
	if (coax_uri_add_options(&uri, &message, uri.port) != 0)
		return "(options refused)";
	return options_text();
}

static const char *compose(const char *host, in_port_t port)
{
	static char text[4096];

	return coax_uri_compose(&message, false, host, port, text, sizeof(text)) >= 0 ? text : NULL;
}

struct uri_case {
	const char *uri;
	const char *options;
};

#define CHECK_OPTIONS(cases)                                            \
	for (size_t i = 0; i < sizeof(cases) / sizeof((cases)[0]); i++) \
	EXPECT_STREQ(options_of((cases)[i].uri), (cases)[i].options)

TEST("the three equivalent URIs of section 6.3 give the same options")
{
	static const struct uri_case cases[] = {
		{"coap://example.com:5683/~sensors/temp.xml", "H=example.com /~sensors /temp.xml"},
		{"coap://EXAMPLE.com/%7Esensors/temp.xml", "H=example.com /~sensors /temp.xml"},
		{"coap://EXAMPLE.com:/%7esensors/temp.xml", "H=example.com /~sensors /temp.xml"},
	};

	CHECK_OPTIONS(cases);
}

TEST("path segments and query arguments become an option each, without percent-encoding")
{
	static const struct uri_case cases[] = {
		{"coap://h/a/b/c", "H=h /a /b /c"},
		{"coap://h/a?x=1&y=2", "H=h /a ?x=1 ?y=2"},
		{"coap://h/%41%2F%3F%00", "H=h /A/?<00>"},
		{"coap://h?%26=%3d", "H=h ?&=="},
		{"coap://h/!$&'()*+,;=:@-._~", "H=h /!$&'()*+,;=:@-._~"},
		{"coap://h/?a/b?c:@", "H=h ?a/b?c:@"},
		{"coap://h/a+b?c+d", "H=h /a+b ?c+d"},
	};

	CHECK_OPTIONS(cases);
}

TEST("an empty path and a single slash give no Uri-Path; other slashes give empty segments")
{
	static const struct uri_case cases[] = {
		{"coap://h", "H=h"},
		{"coap://h/", "H=h"},
		{"coap://h//", "H=h / /"},
		{"coap://h///", "H=h / / /"},
		{"coap://h/foo/", "H=h /foo /"},
		{"coap://h//foo", "H=h / /foo"},
		{"coap://h/a//b", "H=h /a / /b"},
	};

	CHECK_OPTIONS(cases);
}

TEST("each argument of a query gives a Uri-Query, empty ones too")
{
	static const struct uri_case cases[] = {
		{"coap://h?", "H=h ?"},	      {"coap://h/?", "H=h ?"},
		{"coap://h/?&", "H=h ? ?"},   {"coap://h/?a&", "H=h ?a ?"},
		{"coap://h/?&a", "H=h ? ?a"}, {"coap://h/?a&&b", "H=h ?a ? ?b"},
		{"coap://h?a", "H=h ?a"},
	};

	CHECK_OPTIONS(cases);
}

TEST("dot segments are resolved before anything becomes an option")
{
	static const struct uri_case cases[] = {
		{"coap://h/a/b/c/./../../g", "H=h /a /g"}, /* RFC 3986 section 5.2.4 */
		{"coap://h/.", "H=h"},
		{"coap://h/..", "H=h"},
		{"coap://h/./", "H=h"},
		{"coap://h/../", "H=h"},
		{"coap://h/../../..", "H=h"},
		{"coap://h/../a", "H=h /a"},
		{"coap://h/a/..", "H=h"},
		{"coap://h/a/../b", "H=h /b"},
		{"coap://h/a/b/..", "H=h /a /"},
		{"coap://h/a/b/.", "H=h /a /b /"},
		{"coap://h/a/b/../", "H=h /a /"},
		{"coap://h/a//../b", "H=h /a /b"},
		{"coap://h/a//..", "H=h /a /"},
		{"coap://h/..//a", "H=h / /a"},
		{"coap://h/a/..//", "H=h / /"},
		{"coap://h/a/../../b/../c", "H=h /c"},
		{"coap://h/a/b/c/../../..", "H=h"},
		{"coap://h/%2e%2E/a/%2e", "H=h /a /"},
		{"coap://h/a/.%2e/b", "H=h /b"},
		{"coap://h/...", "H=h /..."},
		{"coap://h/.a/..b/c.", "H=h /.a /..b /c."},
		{"coap://h/a?../b", "H=h /a ?../b"},
		{"coap://h?..", "H=h ?.."},
	};

	CHECK_OPTIONS(cases);
}

/* RFC 3986 section 5.2.4 as it is written: the input buffer is eaten from the front. */
static void remove_dot_segments(const char *path, char *out)
{
	char *start = out;

	*out = '\0';
	while (*path) {
		bool parent = strncmp(path, "/../", 4) == 0 || strcmp(path, "/..") == 0;
		bool same = strncmp(path, "/./", 3) == 0 || strcmp(path, "/.") == 0;

		if (parent || same) {
			path += parent ? 3 : 2;
			if (parent) {
				while (out > start && *--out != '/')
					;
				*out = '\0';
			}
			if (*path == '\0')
				path = "/";
			continue;
		}
		do {
			*out++ = *path++;
		} while (*path && *path != '/');
		*out = '\0';
	}
}

TEST("every path of up to seven short segments resolves as RFC 3986 section 5.2.4 has it")
{
	static const char *const segments[] = {"", ".", "..", "a"};

	for (int length = 1; length <= 7; length++) {
		for (int number = 0; number < 1 << 2 * length; number++) {
			char path[64] = "", plain[64], resolved[64], got[128], want[128];

			for (int i = 0; i < length; i++) {
				strcat(path, "/");
				strcat(path, segments[number >> 2 * i & 3]);
			}
			snprintf(plain, sizeof(plain), "%s", path);
			remove_dot_segments(plain, resolved);
			start();
			ASSERT_EQ(coax_uri_path_add_options(path, &message), 0);
			snprintf(got, sizeof(got), "%s", options_text());
			start();
			ASSERT_EQ(coax_uri_path_add_options(resolved, &message), 0);
			snprintf(want, sizeof(want), "%s", options_text());
			ASSERT_STREQ(got, want);
			ASSERT_EQ(coax_uri_compose_path(&message, got, sizeof(got)),
				  (int)strlen(resolved));
			ASSERT_STREQ(got, resolved);
		}
	}
}

TEST("scheme and host are taken in any letter case, the host percent-decoded and lower-cased")
{
	static const struct {
		const char *text;
		const char *host;
		bool literal;
		in_port_t port;
		bool secure;
	} cases[] = {
		{"COAP://Example.NET", "example.net", false, 5683, false},
		{"CoAPs://Example.NET", "example.net", false, 5684, true},
		{"coaps://h:5683", "h", false, 5683, true},
		{"coap://h:0005684", "h", false, 5684, false},
		{"coap://h:65535/", "h", false, 65535, false},
		{"coap://%45xample%2enet", "example.net", false, 5683, false},
		{"coap://%E2%82%AC.example", "\xe2\x82\xac.example", false, 5683, false},
		{"coap://a!$&'()*+,;=b", "a!$&'()*+,;=b", false, 5683, false},
		{"coap://192.0.2.1", "192.0.2.1", true, 5683, false},
		{"coap://192.0.2.1:7", "192.0.2.1", true, 7, false},
		{"coap://192.0.2.256", "192.0.2.256", false, 5683, false},
		{"coap://192.0.2.01", "192.0.2.01", false, 5683, false},
		{"coap://[2001:DB8:0:0:0:0:2:1]", "2001:db8::2:1", true, 5683, false},
		{"coap://[::1]:7?x", "::1", true, 7, false},
		{"coap://[fe80::1%25eth0]/", "fe80::1%eth0", true, 5683, false},
		{"coap://[fe80::1%25Eth%2d0]/", "fe80::1%Eth-0", true, 5683, false},
		{"coap://[FE80::1%Eth0]:7", "fe80::1%Eth0", true, 7, false},
		{"coap://[fe80::1%251]", "fe80::1%1", true, 5683, false},
		{"coap://[::ffff:192.0.2.1]", "::ffff:192.0.2.1", true, 5683, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct coax_uri uri;
		const char *error;

		EXPECT_EQ(coax_uri_parse(&uri, cases[i].text, &error), 0);
		EXPECT_STREQ(uri.host, cases[i].host);
		EXPECT_EQ(uri.literal, cases[i].literal);
		EXPECT_EQ(uri.port, cases[i].port);
		EXPECT_EQ(uri.secure, cases[i].secure);
		EXPECT_TRUE(error == NULL);
	}
}

TEST("what is no coap or coaps URI is refused, with a reason")
{
	static const char *const cases[] = {
		"",
		"/",
		"a/b",
		"//h/a",
		"://h",
		"1coap://h",
		"coap",
		"coap:",
		"coap:h",
		"coap:/h",
		"coap://",
		"coap:///a",
		"coap://?a",
		"coap://:5683",
		"coap://h#",
		"coap://h/a#b",
		"coap://h?a#b",
		"coap://user@h",
		"coap://user:pass@h/",
		"coap://@h",
		"coap://h:x",
		"coap://h:-1",
		"coap://h:0",
		"coap://h:65536",
		"coap://h:4294972979",
		"coap://h:5683x/",
		"coap://h:1:2",
		"coap://2001:db8::1/",
		"coap://[",
		"coap://[]",
		"coap://[::1",
		"coap://[::1]x",
		"coap://[:::1]",
		"coap://[::1%25]",
		"coap://[::1%]",
		"coap://[::1%25%00]",
		"coap://[::1%25a%2]",
		"coap://[::1%a%b]",
		"coap://[::1%a b]",
		"coap://[192.0.2.1]",
		"coap://[v1.a]",
		"coap://h%",
		"coap://h%4",
		"coap://h%4g",
		"coap://h%00",
		"coap://h /",
		"coap://h\xc3\xa4/",
		"coap://h\"/",
		"coap://h/%",
		"coap://h/%A",
		"coap://h/%A/",
		"coap://h/%zz",
		"coap://h/a%",
		"coap://h/a b",
		"coap://h/\xc3\xa4",
		"coap://h/a\\b",
		"coap://h/[a]",
		"coap://h/a|b",
		"coap://h/a\x7f",
		"coap://h?%",
		"coap://h?%1",
		"coap://h?a^b",
		"coap://h?a\nb",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct coax_uri uri;
		const char *error;

		if (coax_uri_parse(&uri, cases[i], &error) != -EINVAL || !error) {
			HARNESS_SAY("\"%s\" was taken, or refused without a reason", cases[i]);
			harness_failed = 1;
		}
	}
}

TEST("other schemes are told apart from what is no URI")
{
	static const char *const cases[] = {
		"http://h/", "coap+tcp://h/", "coapx://h", "coa://h", "urn:a:b", "c:", "coap.://h"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct coax_uri uri;
		const char *error;

		EXPECT_EQ(coax_uri_parse(&uri, cases[i], &error), -EPROTONOSUPPORT);
		EXPECT_TRUE(error != NULL);
	}
}

TEST("components of 255 bytes are taken, of 256 bytes refused, counted after decoding")
{
	static const char *const forms[] = {"coap://%s/", "coap://h/a/%s/b", "coap://h/?a&%s&b"};
	static const char *const units[] = {"x", "%41"};

	for (size_t form = 0; form < 3; form++) {
		for (size_t unit = 0; unit < 2; unit++) {
			char piece[1024] = "", text[1100];
			struct coax_uri uri;
			const char *error;

			for (int i = 0; i < 255; i++)
				strcat(piece, units[unit]);
			sprintf(text, forms[form], piece);
			EXPECT_EQ(coax_uri_parse(&uri, text, &error), 0);
			start();
			EXPECT_EQ(coax_uri_add_options(&uri, &message, 5683), 0);
			strcat(piece, units[unit]);
			sprintf(text, forms[form], piece);
			EXPECT_EQ(coax_uri_parse(&uri, text, &error), -EINVAL);
		}
	}
}

TEST("Uri-Port is there only where the port is not the request's destination port")
{
	struct coax_uri uri;
	const char *error;

	ASSERT_EQ(coax_uri_parse(&uri, "coap://h:61616/a", &error), 0);
	start();
	ASSERT_EQ(coax_uri_add_options(&uri, &message, 61616), 0);
	EXPECT_STREQ(options_text(), "H=h /a");
	start();
	ASSERT_EQ(coax_uri_add_options(&uri, &message, 5683), 0);
	EXPECT_STREQ(options_text(), "H=h P=61616 /a");
	ASSERT_EQ(coax_uri_parse(&uri, "coap://h/a", &error), 0);
	start();
	ASSERT_EQ(coax_uri_add_options(&uri, &message, 61616), 0);
	EXPECT_STREQ(options_text(), "H=h P=5683 /a");
}

TEST("an IP literal gives no Uri-Host")
{
	static const struct uri_case cases[] = {
		{"coap://192.0.2.1/a", "/a"},
		{"coap://[2001:db8::1]/a", "/a"},
		{"coap://[fe80::1%25eth0]", ""},
	};

	CHECK_OPTIONS(cases);
}

TEST("options go into a message that has others, and stop where it is full")
{
	uint8_t small[12];
	struct coax_message m;

	start();
	coax_message_add_uint(&message, COAX_ACCEPT, 50);
	coax_message_set_payload(&message, "p", 1);
	ASSERT_EQ(coax_uri_path_add_options("a/../b/c", &message), 0);
	EXPECT_STREQ(options_text(), "/b /c ");
	EXPECT_EQ(buffer[message.payload], 'p');

	coax_message_start(&m, small, sizeof(small), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
	EXPECT_EQ(coax_uri_path_add_options("/abc/def", &m), 0);
	coax_message_start(&m, small, sizeof(small), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
	EXPECT_EQ(coax_uri_path_add_options("/abc/defg", &m), -EMSGSIZE);
	coax_message_start(&m, small, sizeof(small), COAX_TYPE_CON, COAX_GET, 1, NULL, 0);
	EXPECT_EQ(coax_uri_path_add_options("/abc?defg", &m), -EMSGSIZE);
}

TEST("a bare path with a query becomes options, its first slash optional")
{
	static const struct {
		const char *path;
		const char *options;
	} cases[] = {
		{"a/b%2Fc?x=1", "/a /b/c ?x=1"},
		{"/a/b%2Fc?x=1", "/a /b/c ?x=1"},
		{"", ""},
		{"/", ""},
		{"//", "/ /"},
		{"a/", "/a /"},
		{"?x", "?x"},
		{"/?", "?"},
		{".well-known/core", "/.well-known /core"},
	};
	static const char *const bad[] = {"a#b", "%", "a/%1", "a b", "?%", "a?b#c", "\x80"};
	char long_path[300];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start();
		EXPECT_EQ(coax_uri_path_add_options(cases[i].path, &message), 0);
		EXPECT_STREQ(options_text(), cases[i].options);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start();
		EXPECT_EQ(coax_uri_path_add_options(bad[i], &message), -EINVAL);
	}
	memset(long_path, 'a', sizeof(long_path));
	long_path[256] = '\0';
	EXPECT_EQ(coax_uri_path_add_options(long_path, &message), -EINVAL);
}

TEST("a path of any length ends in options or an error")
{
	static char path[70002];

	for (size_t i = 0; i + 1 < sizeof(path); i++)
		path[i] = i % 2 ? 'a' : '/';
	start();
	EXPECT_EQ(coax_uri_path_add_options(path, &message), -EMSGSIZE);
	path[65536] = '\0';
	start();
	EXPECT_EQ(coax_uri_path_add_options(path, &message), 0);
	for (size_t i = 0; i < 65536; i++)
		path[i] = i % 3 ? '.' : '/';
	start();
	EXPECT_EQ(coax_uri_path_add_options(path, &message), 0);
	EXPECT_STREQ(options_text(), "");
	memset(path, '/', 65536);
	start();
	EXPECT_EQ(coax_uri_path_add_options(path, &message), 0);
	path[65536] = '/';
	EXPECT_EQ(coax_uri_path_add_options(path, &message), -EMSGSIZE);
}

TEST("the examples of appendix B are composed")
{
	start();
	EXPECT_STREQ(compose("2001:db8::2:1", 5683), "coap://[2001:db8::2:1]/");

	coax_message_add_string(&message, COAX_URI_HOST, "example.net");
	EXPECT_STREQ(compose("2001:db8::2:1", 5683), "coap://example.net/");

	coax_message_add_string(&message, COAX_URI_PATH, ".well-known");
	coax_message_add_string(&message, COAX_URI_PATH, "core");
	EXPECT_STREQ(compose("2001:db8::2:1", 5683), "coap://example.net/.well-known/core");

	start();
	coax_message_add_string(&message, COAX_URI_HOST, "xn--18j4d.example");
	coax_message_add_string(&message, COAX_URI_PATH,
				"\xE3\x81\x93\xE3\x82\x93\xE3\x81\xAB\xE3\x81\xA1\xE3\x81\xAF");
	EXPECT_STREQ(compose("2001:db8::2:1", 5683),
		     "coap://xn--18j4d.example/%E3%81%93%E3%82%93%E3%81%AB%E3%81%A1%E3%81%AF");

	start();
	coax_message_add_string(&message, COAX_URI_PATH, "");
	coax_message_add_string(&message, COAX_URI_PATH, "/");
	coax_message_add_string(&message, COAX_URI_PATH, "");
	coax_message_add_string(&message, COAX_URI_PATH, "");
	coax_message_add_string(&message, COAX_URI_QUERY, "//");
	coax_message_add_string(&message, COAX_URI_QUERY, "?&");
	/* The appendix encodes '/' and '?' in the query, where section 6.5 step 8 leaves them. */
	EXPECT_STREQ(compose("198.51.100.1", 61616), "coap://198.51.100.1:61616//%2F//?//&?%26");
	EXPECT_STREQ(options_of("coap://198.51.100.1:61616//%2F//?%2F%2F&?%26"),
		     "/ // / / ?// ??&");
}

TEST("composing leaves out the scheme's default port and no other")
{
	char text[64];

	start();
	EXPECT_STREQ(compose("192.0.2.1", 5683), "coap://192.0.2.1/");
	EXPECT_STREQ(compose("192.0.2.1", 5684), "coap://192.0.2.1:5684/");
	EXPECT_EQ(coax_uri_compose(&message, true, "192.0.2.1", 5684, text, sizeof(text)), 18);
	EXPECT_STREQ(text, "coaps://192.0.2.1/");
	EXPECT_EQ(coax_uri_compose(&message, true, "192.0.2.1", 5683, text, sizeof(text)), 23);
	EXPECT_STREQ(text, "coaps://192.0.2.1:5683/");
	coax_message_add_uint(&message, COAX_URI_PORT, 5683);
	EXPECT_STREQ(compose("192.0.2.1", 7), "coap://192.0.2.1/");
}

TEST("composing percent-encodes what section 6.5 does not leave as it is")
{
	char text[2048];
	uint8_t all[255];

	for (unsigned int i = 0; i < 255; i++)
		all[i] = (uint8_t)i;
	start();
	coax_message_add(&message, COAX_URI_PATH, all + 0x20, 0x60);
	ASSERT_GE(coax_uri_compose_path(&message, text, sizeof(text)), 0);
	EXPECT_STREQ(text, "/%20!%22%23$%25&'()*+,-.%2F0123456789:;%3C=%3E%3F@"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ%5B%5C%5D%5E_%60"
			   "abcdefghijklmnopqrstuvwxyz%7B%7C%7D~%7F");
	start();
	coax_message_add(&message, COAX_URI_QUERY, all + 0x20, 0x60);
	ASSERT_GE(coax_uri_compose_path(&message, text, sizeof(text)), 0);
	EXPECT_STREQ(text, "/?%20!%22%23$%25%26'()*+,-./0123456789:;%3C=%3E?@"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ%5B%5C%5D%5E_%60"
			   "abcdefghijklmnopqrstuvwxyz%7B%7C%7D~%7F");
}

TEST("a Uri-Host that is no host name makes composing fail")
{
	static const char *const bad[] = {"a/b",    "a b",  "a:1", "a@b",  "a?",
					  "a#",	    "a%62", "[a]", "[::1", "::1",
					  "[::1]x", "[]",   "[",   "",	   "[fe80::1%1]"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[64] = "untouched";

		start();
		coax_message_add_string(&message, COAX_URI_HOST, bad[i]);
		EXPECT_EQ(coax_uri_compose(&message, false, "h", 5683, text, sizeof(text)),
			  -EINVAL);
		EXPECT_STREQ(text, "");
	}
	start();
	coax_message_add_string(&message, COAX_URI_HOST, "[2001:db8::1]");
	EXPECT_STREQ(compose("h", 5683), "coap://[2001:db8::1]/");
	start();
	coax_message_add_string(&message, COAX_URI_HOST, "\xc3\xa4.example");
	EXPECT_STREQ(compose("h", 5683), "coap://%C3%A4.example/");
}

TEST("dot segments in options make composing fail, they would be resolved away")
{
	static const uint16_t numbers[] = {COAX_URI_PATH, COAX_LOCATION_PATH};
	char text[64];

	for (size_t i = 0; i < 2; i++) {
		start();
		coax_message_add_string(&message, numbers[i], "a");
		coax_message_add_string(&message, numbers[i], i ? "." : "..");
		EXPECT_EQ(i ? coax_uri_compose_location(&message, text, sizeof(text))
			    : coax_uri_compose_path(&message, text, sizeof(text)),
			  -EINVAL);
		EXPECT_STREQ(text, "");
	}
}

TEST("a zone of the destination address is composed as RFC 6874 writes it")
{
	start();
	EXPECT_STREQ(compose("fe80::1%eth0", 5683), "coap://[fe80::1%25eth0]/");
	EXPECT_STREQ(compose("fe80::1%a@b", 5683), "coap://[fe80::1%25a%40b]/");
}

TEST("composing tells when the text does not fit, at each size")
{
	const char *whole = "coap://h:7/a%20/b?c&d";

	for (size_t size = 0; size <= strlen(whole) + 2; size++) {
		char *text = malloc(size + !size);
		int length;

		start();
		coax_message_add_string(&message, COAX_URI_PATH, "a ");
		coax_message_add_string(&message, COAX_URI_PATH, "b");
		coax_message_add_string(&message, COAX_URI_QUERY, "c");
		coax_message_add_string(&message, COAX_URI_QUERY, "d");
		length = coax_uri_compose(&message, false, "h", 7, text, size);
		if (size > strlen(whole)) {
			EXPECT_EQ(length, (int)strlen(whole));
			EXPECT_STREQ(text, whole);
		} else {
			EXPECT_EQ(length, -EMSGSIZE);
			if (size)
				EXPECT_STREQ(text, "");
		}
		free(text);
	}
}

TEST("path and query are composed by themselves")
{
	char text[64];

	start();
	EXPECT_EQ(coax_uri_compose_path(&message, text, sizeof(text)), 1);
	EXPECT_STREQ(text, "/");
	coax_message_add_string(&message, COAX_URI_HOST, "h");
	coax_message_add_string(&message, COAX_URI_QUERY, "x=1");
	EXPECT_EQ(coax_uri_compose_path(&message, text, sizeof(text)), 5);
	EXPECT_STREQ(text, "/?x=1");
	coax_message_add_string(&message, COAX_URI_PATH, "a");
	coax_message_add_string(&message, COAX_URI_PATH, "b/c");
	EXPECT_EQ(coax_uri_compose_path(&message, text, sizeof(text)), 12);
	EXPECT_STREQ(text, "/a/b%2Fc?x=1");
}

TEST("a location is composed from Location-Path and Location-Query, or is empty")
{
	char text[64];

	start();
	coax_message_add_string(&message, COAX_URI_PATH, "no");
	EXPECT_EQ(coax_uri_compose_location(&message, text, sizeof(text)), 0);
	EXPECT_STREQ(text, "");
	coax_message_add_string(&message, COAX_LOCATION_QUERY, "q");
	EXPECT_EQ(coax_uri_compose_location(&message, text, sizeof(text)), 3);
	EXPECT_STREQ(text, "/?q");
	coax_message_add_string(&message, COAX_LOCATION_PATH, "a");
	coax_message_add_string(&message, COAX_LOCATION_PATH, "");
	EXPECT_EQ(coax_uri_compose_location(&message, text, sizeof(text)), 5);
	EXPECT_STREQ(text, "/a/?q");
}

TEST_MAIN()
