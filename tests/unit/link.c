// SPDX-License-Identifier: BSD-2-Clause
/* Link-format: RFC 6690. */
#include "../harness.h"

#include <coax/link.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct coax_text text_of(const char *string)
{
	return (struct coax_text){string, strlen(string)};
}

static bool is(const struct coax_text *text, const char *wanted)
{
	return text->length == strlen(wanted) && memcmp(text->at, wanted, text->length) == 0;
}

/* How many links a document has, or -EBADMSG. */
static int count_links(const char *document)
{
	struct coax_text text = text_of(document);
	struct coax_link link;
	int count = 0, result;

	while ((result = coax_link_next(&text, &link)) > 0)
		count++;
	return result ? result : count;
}

TEST("the links of a document come one after the other, with their attributes")
{
	struct coax_text document =
		text_of("</sensors>;ct=40;title=\"Sensor Index, \\\"all\\\"\",</light>;obs;rt=a");
	struct coax_link link;
	struct coax_link_attribute attribute;

	ASSERT_EQ(coax_link_next(&document, &link), 1);
	EXPECT_TRUE(is(&link.target, "/sensors"));
	EXPECT_TRUE(is(&link.attributes, ";ct=40;title=\"Sensor Index, \\\"all\\\"\""));
	ASSERT_EQ(coax_link_attribute_next(&link.attributes, &attribute), 1);
	EXPECT_TRUE(is(&attribute.name, "ct"));
	EXPECT_TRUE(is(&attribute.value, "40"));
	EXPECT_FALSE(attribute.quoted);
	ASSERT_EQ(coax_link_attribute_next(&link.attributes, &attribute), 1);
	EXPECT_TRUE(is(&attribute.name, "title"));
	EXPECT_TRUE(is(&attribute.value, "Sensor Index, \\\"all\\\""));
	EXPECT_TRUE(attribute.quoted);
	ASSERT_EQ(coax_link_attribute_next(&link.attributes, &attribute), 0);

	ASSERT_EQ(coax_link_next(&document, &link), 1);
	EXPECT_TRUE(is(&link.target, "/light"));
	ASSERT_EQ(coax_link_attribute_next(&link.attributes, &attribute), 1);
	EXPECT_TRUE(is(&attribute.name, "obs"));
	EXPECT_TRUE(attribute.value.at == NULL);
	ASSERT_EQ(coax_link_attribute_next(&link.attributes, &attribute), 1);
	EXPECT_TRUE(is(&attribute.value, "a"));
	EXPECT_EQ(coax_link_attribute_next(&link.attributes, &attribute), 0);
	EXPECT_EQ(coax_link_next(&document, &link), 0);
}

TEST("documents within the grammar are read to their end")
{
	static const struct {
		const char *document;
		int links;
	} cases[] = {
		{"", 0},
		{"<>", 1},
		{"</a>,</b>,</c>", 3},
		{"<coap://[2001:db8::1]:5683/a%20b?c#d>", 1},
		{"</a>;rel=\"up\";anchor=\"/b\"", 1},
		{"</a>;title*=UTF-8'en'%e2%82%ac", 1},
		{"</a>;x=!#$%&'()*+-./:<=>?@[]^_`{|}~,</b>", 2},
		{"</a>;x=\"\",</b>;y=\"a>,<b;c\"", 2},
		{"</a>;x=\"\xc3\xa4\"", 1},
		/* RFC 6690 section 5 */
		{"</sensors>;ct=40;title=\"Sensor Index\","
		 "</sensors/temp>;rt=\"temperature-c\";if=\"sensor\","
		 "</sensors/light>;rt=\"light-lux\";if=\"sensor\","
		 "<http://www.example.com/sensors/t123>;anchor=\"/sensors/"
		 "temp\";rel=\"describedby\","
		 "</t>;anchor=\"/sensors/temp\";rel=\"alternate\"",
		 5},
		{"</firmware/v2.1>;rt=\"firmware\";sz=262144", 1},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		EXPECT_EQ(count_links(cases[i].document), cases[i].links);
}

TEST("documents that break the grammar are told from their end")
{
	static const char *const cases[] = {
		"/a",
		",",
		",</a>",
		"</a>,",
		"</a>,,</b>",
		"<",
		"</a",
		"</a b>",
		"<</a>>",
		"<\"a\">",
		"</\xc3\xa4>",
		"</a>x",
		"</a> ",
		" </a>",
		"</a>, </b>",
		"</a>;",
		"</a>;;",
		"</a>;=1",
		"</a>;x=",
		"</a>;x=,</b>",
		"</a>;x =1",
		"</a>;x= 1",
		"</a>;x=a b",
		"</a>;x=\"",
		"</a>;x=\"a",
		"</a>;x=\"a\\",
		"</a>;x=\"a\\\"",
		"</a>;x=\"a\"b",
		"</a>;x=a\"b\"",
		"</a>;x=\"a\001\"",
		"</a>;x=\\a",
		"</a></b>",
		"</a>;\"x\"",
		"</a>;x=a\n",
		"</a>;(x)=1",
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		if (count_links(cases[i]) != -EBADMSG) {
			HARNESS_SAY("\"%s\" was read", cases[i]);
			harness_failed = 1;
		}
	}
}

TEST("attributes that break the grammar are an error, not an end")
{
	static const char *const cases[] = {"x", "x=1", ";x=1,", ",", ";x y"};
	struct coax_link_attribute attribute;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct coax_text attributes = text_of(cases[i]);
		int result;

		while ((result = coax_link_attribute_next(&attributes, &attribute)) > 0)
			;
		EXPECT_EQ(result, -EBADMSG);
	}
}

TEST("an error leaves the document where it was")
{
	const char *text = "</a>;x=\"";
	struct coax_text document = text_of(text);
	struct coax_link link;

	EXPECT_EQ(coax_link_next(&document, &link), -EBADMSG);
	EXPECT_TRUE(document.at == text);
	EXPECT_EQ(document.length, strlen(text));
}

static bool matches(const char *text, const char *filter)
{
	struct coax_text document = text_of(text);
	struct coax_link link;
	/* Not terminated, as a Uri-Query is not. */
	char *query = malloc(strlen(filter) + 1);
	bool result;

	memcpy(query, filter, strlen(filter));
	query = realloc(query, strlen(filter) + !*filter);
	result = coax_link_next(&document, &link) == 1 &&
		 coax_link_matches(&link, query, strlen(filter));
	free(query);
	return result;
}

TEST("href is compared with the target, whole or by its beginning")
{
	EXPECT_TRUE(matches("</a/b>;rt=x", "href=/a/b"));
	EXPECT_TRUE(matches("</a/b>;rt=x", "href=/a/b*"));
	EXPECT_TRUE(matches("</a/b>;rt=x", "href=/a*"));
	EXPECT_TRUE(matches("</a/b>;rt=x", "href=*"));
	EXPECT_TRUE(matches("</a/b>;rt=x", "href"));
	EXPECT_FALSE(matches("</a/b>;rt=x", "href=/a"));
	EXPECT_FALSE(matches("</a/b>;rt=x", "href=/a/b/*"));
	EXPECT_FALSE(matches("</a/b>;rt=x", "href=/a/bc"));
	EXPECT_FALSE(matches("</a/b>;rt=x", "href="));
	EXPECT_TRUE(matches("<>;rt=x", "href="));
}

TEST("rt, if, rel, rev and ct are compared word by word")
{
	static const char *const names[] = {"rt", "if", "rel", "rev", "ct"};

	for (size_t i = 0; i < COUNT(names); i++) {
		char link[64], filter[64];
		static const struct {
			const char *pattern;
			bool matches;
		} cases[] = {
			{"light", true},
			{"heat-x", true},
			{"40", true},
			{"lig*", true},
			{"heat*", true},
			{"4*", true},
			{"*", true},
			{"light*", true},
			{"heat", false},
			{"ight", false},
			{"light heat-x", false},
			{"lights", false},
			{"l ", false},
			{"", false},
			{"x*", false},
			{"40*", true},
			{"400", false},
			{"lights*", false},
		};

		sprintf(link, "</a>;%s=\"light heat-x  40\"", names[i]);
		for (size_t j = 0; j < COUNT(cases); j++) {
			sprintf(filter, "%s=%s", names[i], cases[j].pattern);
			if (matches(link, filter) != cases[j].matches) {
				HARNESS_SAY("%s with %s", link, filter);
				harness_failed = 1;
			}
		}
	}
	EXPECT_TRUE(matches("</a>;rt=light", "rt=light"));
	EXPECT_FALSE(matches("</a>;rt=light", "rt=lights"));
}

TEST("a star alone matches only links that have the attribute")
{
	EXPECT_TRUE(matches("</a>;rt=x", "rt=*"));
	EXPECT_TRUE(matches("</a>;rt=\"\"", "rt=*"));
	EXPECT_TRUE(matches("</a>;obs", "obs=*"));
	EXPECT_FALSE(matches("</a>", "rt=*"));
	EXPECT_FALSE(matches("</a>;if=x", "rt=*"));
	EXPECT_FALSE(matches("</a>;title=\"rt=x\"", "rt=*"));
	EXPECT_FALSE(matches("</a>;rtx=x", "rt=*"));
}

TEST("other attributes are compared whole, without the backslashes of a quoted value")
{
	EXPECT_TRUE(matches("</a>;title=\"a b\"", "title=a b"));
	EXPECT_TRUE(matches("</a>;title=\"a b\"", "title=a*"));
	EXPECT_FALSE(matches("</a>;title=\"a b\"", "title=a"));
	EXPECT_FALSE(matches("</a>;title=\"a b\"", "title=b"));
	EXPECT_TRUE(matches("</a>;title=\"a\\\"b\\\\\"", "title=a\"b\\"));
	EXPECT_FALSE(matches("</a>;title=\"a\\\"b\"", "title=a\\\"b"));
	EXPECT_TRUE(matches("</a>;sz=1024", "sz=1024"));
	EXPECT_FALSE(matches("</a>;sz=1024", "sz=102"));
	EXPECT_TRUE(matches("</a>;sz=1024", "sz=102*"));
	EXPECT_TRUE(matches("</a>;x=\"\"", "x="));
	EXPECT_TRUE(matches("</a>;x", "x="));
	EXPECT_FALSE(matches("</a>;x", "x=1"));
	EXPECT_FALSE(matches("</a>;x", "x=1*"));
	EXPECT_TRUE(matches("</a>;x=\"a*b\"", "x=a*b"));
	EXPECT_TRUE(matches("</a>;x=\"a*b\"", "x=a**"));
	EXPECT_FALSE(matches("</a>;x=\"ab\"", "x=a**"));
	EXPECT_TRUE(matches("</a>;x=\"a=b\"", "x=a=b"));
}

TEST("an attribute given more than once matches by any of its values")
{
	EXPECT_TRUE(matches("</a>;rt=x;rt=y", "rt=x"));
	EXPECT_TRUE(matches("</a>;rt=x;rt=y", "rt=y"));
	EXPECT_TRUE(matches("</a>;RT=x", "rt=x"));
}

TEST("a filter without a value asks for the attribute, an empty filter for nothing")
{
	EXPECT_TRUE(matches("</a>;obs", "obs"));
	EXPECT_TRUE(matches("</a>;rt=x", "rt"));
	EXPECT_FALSE(matches("</a>;rt=x", "obs"));
	EXPECT_FALSE(matches("</a>;rt=x", "=x"));
	EXPECT_FALSE(matches("</a>;rt=x", "=*"));
	EXPECT_TRUE(matches("</a>;rt=x", ""));
}

static size_t write_document(char *text, size_t size)
{
	struct coax_link_writer writer = {text, size, 0};

	coax_link_begin(&writer, "/a", 2);
	coax_link_add(&writer, "rt", "x y");
	coax_link_add(&writer, "ct", "40");
	coax_link_add(&writer, "obs", NULL);
	coax_link_begin(&writer, "/b>\xc3 c", 6);
	coax_link_add(&writer, "ct", "40 50");
	coax_link_add(&writer, "sz", "1234");
	coax_link_add(&writer, "title", "a \"quoted\" \\ title\001");
	coax_link_add(&writer, "if", "7");
	coax_link_add(&writer, "ct", "");
	return writer.length;
}

TEST("links are written with the quoting that the format asks for")
{
	static const char wanted[] =
		"</a>;rt=\"x y\";ct=40;obs,</b%3E%C3%20c>;ct=\"40 50\";sz=1234;"
		"title=\"a \\\"quoted\\\" \\\\ title \";if=\"7\";ct=\"\"";
	char text[256] = "";

	ASSERT_EQ(write_document(text, sizeof(text)), sizeof(wanted) - 1);
	EXPECT_STREQ(text, wanted);
	EXPECT_EQ(count_links(text), 2);
	EXPECT_TRUE(matches(text, "rt=y"));
}

TEST("what does not fit is counted and not written")
{
	size_t whole = write_document(NULL, 0);

	for (size_t size = 1; size <= whole; size++) {
		char complete[256], *text = malloc(size);

		ASSERT_EQ(write_document(complete, sizeof(complete)), whole);
		ASSERT_EQ(write_document(text, size), whole);
		EXPECT_MEMEQ(text, complete, size);
		free(text);
	}
}

TEST_MAIN()
