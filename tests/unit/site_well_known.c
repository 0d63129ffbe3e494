// SPDX-License-Identifier: BSD-2-Clause
/* /.well-known/core (RFC 6690). */
#include "../site.h"

static void handle(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_respond(responder, COAX_CONTENT);
}

static struct coax_site *make_site(void)
{
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	return site;
}

static struct coax_resource *add(struct coax_site *site, struct coax_resource_options options)
{
	struct coax_resource *resource = NULL;

	options.get = handle;
	ASSERT_EQ(coax_site_add(site, &options, &resource), 0);
	return resource;
}

/* The resources of RFC 6690 section 5's examples. */
static struct coax_site *make_sensors(void)
{
	struct coax_site *site = make_site();

	add(site, (struct coax_resource_options){
			  .path = "sensors/temp",
			  .attributes = {{"rt", "temperature-c"}, {"if", "sensor"}},
		  });
	add(site, (struct coax_resource_options){
			  .path = "sensors/light",
			  .attributes = {{"rt", "light-lux core.sen-light"}, {"if", "sensor"}},
		  });
	add(site, (struct coax_resource_options){
			  .path = "sensors",
			  .attributes = {{"title", "Sensor Index"}},
			  .formats = {40},
			  .format_count = 1,
		  });
	return site;
}

#define LIGHT	"</sensors/light>;rt=\"light-lux core.sen-light\";if=\"sensor\""
#define TEMP	"</sensors/temp>;rt=\"temperature-c\";if=\"sensor\""
#define SENSORS "</sensors>;title=\"Sensor Index\";ct=40"

/* The document for a query: "" for none. */
static const char *list(struct coax_site *site, const char *query)
{
	char path[300];
	struct asked asked;

	snprintf(path, sizeof(path), ".well-known/core%s", query);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, path), COAX_CONTENT);
	return asked_payload(&asked);
}

TEST("/.well-known/core of an empty Site is an empty document in link-format")
{
	struct coax_site *site = make_site();
	struct asked asked;
	uint32_t format;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, ".well-known/core"), COAX_CONTENT);
	EXPECT_STREQ(asked_payload(&asked), "");
	ASSERT_TRUE(
		coax_message_find_uint(&asked.responder.response, COAX_CONTENT_FORMAT, &format));
	EXPECT_EQ(format, (uint32_t)COAX_FORMAT_LINK);
	coax_site_destroy(site);
}

TEST("the links of all resources are listed, sorted by path, with their attributes")
{
	struct coax_site *site = make_sensors();

	EXPECT_STREQ(list(site, ""), SENSORS "," LIGHT "," TEMP);
	coax_site_destroy(site);
}

TEST("a listing has what has been added and not what has been removed")
{
	struct coax_site *site = make_sensors();
	struct coax_resource *a = add(site, (struct coax_resource_options){.path = "a"});

	EXPECT_STREQ(list(site, ""), "</a>," SENSORS "," LIGHT "," TEMP);
	coax_site_remove(site, a);
	EXPECT_STREQ(list(site, ""), SENSORS "," LIGHT "," TEMP);
	coax_site_destroy(site);
}

TEST("filters: rt, if, rel and ct by word, others whole, href by target, a star for the rest")
{
	static const struct {
		const char *query;
		const char *document;
	} rows[] = {
		{"?rt=temperature-c", TEMP},
		{"?rt=light-lux", LIGHT},
		{"?rt=core.sen-light", LIGHT},
		{"?rt=light", ""},
		{"?rt=light*", LIGHT},
		{"?rt=core*", LIGHT},
		{"?rt=*", LIGHT "," TEMP},
		{"?if=sensor", LIGHT "," TEMP},
		{"?ct=40", SENSORS},
		{"?ct=4", ""},
		{"?title=Sensor%20Index", SENSORS},
		{"?title=Sensor", ""},
		{"?title=Sensor*", SENSORS},
		{"?href=/sensors", SENSORS},
		{"?href=/sensors*", SENSORS "," LIGHT "," TEMP},
		{"?href=/sensors/t*", TEMP},
		{"?href=/nowhere", ""},
		{"?obs", ""},
		{"?foo=bar", ""},
	};
	struct coax_site *site = make_sensors();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		EXPECT_STREQ(list(site, rows[i].query), rows[i].document);
	coax_site_destroy(site);
}

TEST("a link has to pass all filters")
{
	struct coax_site *site = make_sensors();

	EXPECT_STREQ(list(site, "?if=sensor&rt=light-lux"), LIGHT);
	EXPECT_STREQ(list(site, "?rt=light-lux&if=sensor"), LIGHT);
	EXPECT_STREQ(list(site, "?if=sensor&rt=nothing"), "");
	coax_site_destroy(site);
}

TEST("more filters than anybody needs get 4.00")
{
	struct coax_site *site = make_sensors();
	struct asked asked;

	ask(&asked, COAX_GET, ".well-known/core");
	for (int i = 0; i < 16; i++)
		ask_option(&asked, COAX_URI_QUERY, "rt=light-lux", 12);
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	EXPECT_STREQ(asked_payload(&asked), LIGHT);
	ask(&asked, COAX_GET, ".well-known/core");
	for (int i = 0; i < 17; i++)
		ask_option(&asked, COAX_URI_QUERY, "rt=light-lux", 12);
	EXPECT_EQ(ask_site(&asked, site), COAX_BAD_REQUEST);
	coax_site_destroy(site);
}

TEST("/.well-known/core has GET alone, in link-format alone")
{
	struct coax_site *site = make_sensors();
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, ".well-known/core"), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_POST, ".well-known/core"),
		  COAX_METHOD_NOT_ALLOWED);
	ask(&asked, COAX_GET, ".well-known/core");
	ask_uint(&asked, COAX_ACCEPT, COAX_FORMAT_LINK);
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	ask(&asked, COAX_GET, ".well-known/core");
	ask_uint(&asked, COAX_ACCEPT, COAX_FORMAT_JSON);
	EXPECT_EQ(ask_site(&asked, site), COAX_NOT_ACCEPTABLE);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, ".well-known/core/x"), COAX_NOT_FOUND);
	coax_site_destroy(site);
}

TEST("a hidden resource is not listed")
{
	struct coax_site *site = make_sensors();

	add(site, (struct coax_resource_options){.path = "secret", .hidden = true});
	EXPECT_STREQ(list(site, "?href=/secret*"), "");
	coax_site_destroy(site);
}

TEST("the root is listed as </>, a target is percent-encoded")
{
	struct coax_site *site = make_site();

	add(site, (struct coax_resource_options){.path = ""});
	add(site, (struct coax_resource_options){.path = "a%2fb%3e%2c/%c3%bc"});
	EXPECT_STREQ(list(site, ""), "</>,</a%2Fb%3E,/%C3%BC>");
	coax_site_destroy(site);
}

TEST("what can be observed says obs, once")
{
	struct coax_site *site = make_site();

	add(site, (struct coax_resource_options){.path = "a", .observable = true});
	add(site, (struct coax_resource_options){.path = "b",
						 .observable = true,
						 .formats = {50},
						 .format_count = 1,
						 .attributes = {{"obs", NULL}, {"rt", "x"}}});
	add(site, (struct coax_resource_options){.path = "c"});
	EXPECT_STREQ(list(site, "?href=/*"), "</a>;obs,</b>;obs;rt=\"x\";ct=50,</c>");
	EXPECT_STREQ(list(site, "?obs"), "</a>;obs,</b>;obs;rt=\"x\";ct=50");
	coax_site_destroy(site);
}

TEST("several formats make one ct, and one among the attributes stands instead")
{
	struct coax_site *site = make_site();

	add(site, (struct coax_resource_options){
			  .path = "a", .formats = {0, 50, 65535}, .format_count = 3});
	add(site, (struct coax_resource_options){.path = "b",
						 .formats = {50},
						 .format_count = 1,
						 .attributes = {{"ct", "60"}, {"x-flag", NULL}}});
	EXPECT_STREQ(list(site, ""), "</a>;ct=\"0 50 65535\",</b>;ct=60;x-flag");
	EXPECT_STREQ(list(site, "?ct=50"), "</a>;ct=\"0 50 65535\"");
	EXPECT_STREQ(list(site, "?x-flag"), "</b>;ct=60;x-flag");
	coax_site_destroy(site);
}

TEST("a value with quotes and backslashes can be listed")
{
	struct coax_site *site = make_site();

	add(site,
	    (struct coax_resource_options){.path = "a", .attributes = {{"title", "a\"b\\,<c>;"}}});
	add(site, (struct coax_resource_options){.path = "b"});
	EXPECT_STREQ(list(site, ""), "</a>;title=\"a\\\"b\\\\,<c>;\",</b>");
	EXPECT_STREQ(list(site, "?href=/b"), "</b>");
	coax_site_destroy(site);
}

TEST("an attribute that would break the document is refused when it is added")
{
	struct coax_site *site = make_site();
	struct coax_resource_options options = {
		.path = "a", .get = handle, .attributes = {{"x y", "1"}}};

	EXPECT_EQ(coax_site_add(site, &options, NULL), -EINVAL);
	options.attributes[0].name = "x,</evil>";
	EXPECT_EQ(coax_site_add(site, &options, NULL), -EINVAL);
	options.attributes[0].name = "";
	EXPECT_EQ(coax_site_add(site, &options, NULL), -EINVAL);
	EXPECT_STREQ(list(site, ""), "");
	coax_site_destroy(site);
}

/* A subtree's own links: the targets in its argument, separated by spaces. */
static void write_links(struct coax_link_writer *writer, void *arg)
{
	const char *target = arg;

	while (*target) {
		size_t length = strcspn(target, " ");

		coax_link_begin(writer, target, length);
		coax_link_add(writer, "rt", length % 2 ? "odd" : "even");
		target += length + (target[length] == ' ');
	}
}

TEST("a subtree lists what its callback writes, sorted in and filtered like the rest")
{
	struct coax_site *site = make_site();

	add(site, (struct coax_resource_options){.path = "b"});
	add(site, (struct coax_resource_options){.path = "files",
						 .subtree = true,
						 .links = write_links,
						 .arg = "/z /a /files/1 /files/22"});
	add(site, (struct coax_resource_options){
			  .path = "none", .subtree = true, .links = write_links, .arg = ""});
	add(site, (struct coax_resource_options){
			  .path = "more", .subtree = true, .links = write_links, .arg = "/c"});
	EXPECT_STREQ(list(site, ""),
		     "</a>;rt=\"even\",</b>,</c>;rt=\"even\",</files/1>;rt=\"even\","
		     "</files/22>;rt=\"odd\",</z>;rt=\"even\"");
	EXPECT_STREQ(list(site, "?rt=odd"), "</files/22>;rt=\"odd\"");
	EXPECT_STREQ(list(site, "?href=/z"), "</z>;rt=\"even\"");
	EXPECT_STREQ(list(site, "?href=/files/*&rt=even"), "</files/1>;rt=\"even\"");
	coax_site_destroy(site);
}

TEST("a path with parameters is not listed, but for what a subtree's callback writes below it")
{
	struct coax_site *site = make_site();

	add(site, (struct coax_resource_options){.path = "a/{id}"});
	add(site, (struct coax_resource_options){.path = "b/{id}", .subtree = true});
	add(site, (struct coax_resource_options){
			  .path = "c/{id}", .subtree = true, .links = write_links, .arg = "/c/7"});
	EXPECT_STREQ(list(site, ""), "</c/7>;rt=\"even\"");
	coax_site_destroy(site);
}

TEST("a subtree without a callback is listed itself")
{
	struct coax_site *site = make_site();

	add(site, (struct coax_resource_options){.path = "files", .subtree = true});
	EXPECT_STREQ(list(site, ""), "</files>");
	coax_site_destroy(site);
}

static void write_garbage(struct coax_link_writer *writer, void *arg)
{
	static const char garbage[] = "</good>;rt=x,<unfinished";

	(void)arg;
	memcpy(writer->text, garbage, sizeof(garbage) - 1);
	writer->length = sizeof(garbage) - 1;
}

TEST("a callback that writes no link-format costs its own links and a line at ERROR")
{
	struct coax_site *site = make_site();
	struct asked asked;

	add(site,
	    (struct coax_resource_options){.path = "bad", .subtree = true, .links = write_garbage});
	add(site, (struct coax_resource_options){.path = "b"});
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, ".well-known/core"), COAX_CONTENT);
	EXPECT_STREQ(asked_payload(&asked), "</b>,</good>;rt=x");
	EXPECT_EQ(asked.lines[COAX_LOG_ERROR], 1);
	coax_site_destroy(site);
}

TEST("a document of 1024 bytes is one message, a longer one leaves in blocks where there are some")
{
	struct coax_site *site = make_site();
	struct asked asked;
	char path[32];

	/* 113 links of 8 bytes, with commas 1016; then one of 7. */
	for (int i = 112; i >= 0; i--) {
		snprintf(path, sizeof(path), "a/%03d", i);
		add(site, (struct coax_resource_options){.path = path});
	}
	add(site, (struct coax_resource_options){.path = "b/12"});
	EXPECT_EQ(strlen(list(site, "")), (size_t)1024);
	add(site, (struct coax_resource_options){.path = "c"});
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, ".well-known/core"),
		  COAX_INTERNAL_SERVER_ERROR);
	EXPECT_TRUE(strstr(asked_payload(&asked), "too large for one message"));
	EXPECT_EQ(asked.lines[COAX_LOG_WARNING], 1);
	EXPECT_STREQ(list(site, "?href=/b*"), "</b/12>");

	ask(&asked, COAX_GET, ".well-known/core");
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	ASSERT_EQ(asked_body_length(&asked), (uint64_t)1024 + 5);
	EXPECT_MEMEQ(asked.responder.body.data, "</a/000>,</a/001>,</a/002>", 26);
	EXPECT_MEMEQ((const char *)asked.responder.body.data + 1008, "</a/112>,", 9);
	EXPECT_MEMEQ((const char *)asked.responder.body.data + 1017, "</b/12>,</c>", 12);
	coax_responder_drop_body(&asked.responder);
	coax_site_destroy(site);
}

TEST("more than 4096 links, or 64 KiB, get 5.00 that says so and one WARNING, until filtered")
{
	struct coax_site *site = make_site();
	struct asked asked;
	char path[32];

	for (int i = 0; i < 4096; i++) {
		snprintf(path, sizeof(path), "a/%d", i);
		add(site, (struct coax_resource_options){.path = path});
	}
	ask(&asked, COAX_GET, ".well-known/core");
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	coax_responder_drop_body(&asked.responder);
	add(site, (struct coax_resource_options){.path = "b"});
	ask(&asked, COAX_GET, ".well-known/core");
	asked.blocks = true;
	EXPECT_EQ(ask_site(&asked, site), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_TRUE(strstr(asked_payload(&asked), "filter them"));
	EXPECT_EQ(asked.lines[COAX_LOG_WARNING], 1);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, ".well-known/core"),
		  COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(asked.lines[COAX_LOG_WARNING], 0);
	EXPECT_STREQ(list(site, "?href=/b"), "</b>");
	coax_site_destroy(site);
}

static void write_many(struct coax_link_writer *writer, void *arg)
{
	char target[32];

	for (int i = 0; i < *(int *)arg; i++) {
		snprintf(target, sizeof(target), "/many/%05d", i);
		coax_link_begin(writer, target, strlen(target));
	}
}

TEST("a callback may write 64 KiB, of which a filter finds what it looks for")
{
	struct coax_site *site = make_site();
	struct asked asked;
	int count = 4500; /* of 14 bytes and a comma each */

	add(site, (struct coax_resource_options){
			  .path = "0", .subtree = true, .links = write_many, .arg = &count});
	add(site, (struct coax_resource_options){
			  .path = "1", .subtree = true, .links = write_many, .arg = &count});
	EXPECT_STREQ(list(site, "?href=/many/04498"), "</many/04498>,</many/04498>");
	EXPECT_STREQ(list(site, "?href=/many/0449*&href=/many/04500"), "");
	count = 5000;
	ask(&asked, COAX_GET, ".well-known/core?href=/many/00001");
	EXPECT_EQ(ask_site(&asked, site), COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(asked.lines[COAX_LOG_WARNING], 1);
	coax_site_destroy(site);
}

TEST_MAIN()
