// SPDX-License-Identifier: BSD-2-Clause
/* Which resource answers for which path. */
#include "../site.h"

/* Answers with its argument, a string. */
static void name_yourself(struct coax_responder *responder, void *arg)
{
	coax_message_set_payload(coax_responder_response(responder), arg, strlen(arg));
	coax_respond(responder, COAX_CONTENT);
}

static struct coax_resource *add(struct coax_site *site, const char *path, bool subtree)
{
	const struct coax_resource_options options = {
		.path = path,
		.get = name_yourself,
		.arg = (void *)path,
		.subtree = subtree,
	};
	struct coax_resource *resource = NULL;

	ASSERT_EQ(coax_site_add(site, &options, &resource), 0);
	return resource;
}

static int add_result(struct coax_site *site, const char *path)
{
	const struct coax_resource_options options = {.path = path, .get = name_yourself};

	return coax_site_add(site, &options, NULL);
}

/* The path of the resource that answers, "4.04" for none. */
static const char *who(struct coax_site *site, const char *path)
{
	struct asked asked;
	uint8_t code = ask_plainly(&asked, site, COAX_GET, path);

	if (code == COAX_NOT_FOUND)
		return "4.04";
	return code == COAX_CONTENT ? asked_payload(&asked) : "another code";
}

/* The same for segments of any bytes. */
static const char *who_has(struct coax_site *site, size_t count, const char *const *segments,
			   const size_t *lengths)
{
	struct asked asked;

	ask(&asked, COAX_GET, "");
	for (size_t i = 0; i < count; i++)
		ask_option(&asked, COAX_URI_PATH, segments[i], lengths[i]);
	return ask_site(&asked, site) == COAX_CONTENT ? asked_payload(&asked) : "4.04";
}

static struct coax_site *make_site(void)
{
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	return site;
}

TEST("a resource answers for its own path alone")
{
	struct coax_site *site = make_site();

	add(site, "a/b", false);
	EXPECT_STREQ(who(site, "a/b"), "a/b");
	EXPECT_STREQ(who(site, "/a/b"), "a/b");
	EXPECT_STREQ(who(site, "a/b?x=1&y"), "a/b");
	EXPECT_STREQ(who(site, "a"), "4.04");
	EXPECT_STREQ(who(site, "a/b/c"), "4.04");
	EXPECT_STREQ(who(site, "ab"), "4.04");
	EXPECT_STREQ(who(site, "a/B"), "4.04");
	coax_site_destroy(site);
}

TEST("a slash inside a segment separates nothing")
{
	struct coax_site *site = make_site();

	add(site, "a%2Fb", false);
	EXPECT_STREQ(who(site, "a/b"), "4.04");
	EXPECT_STREQ(who(site, "a%2fb"), "a%2Fb");
	add(site, "a/b", false);
	EXPECT_STREQ(who(site, "a/b"), "a/b");
	EXPECT_STREQ(who(site, "a%2Fb"), "a%2Fb");
	coax_site_destroy(site);
}

TEST("segments are bytes, zero bytes among them")
{
	const char *const one[] = {"x\0y"};
	const size_t three[] = {3}, two[] = {2};
	struct coax_site *site = make_site();

	add(site, "x%00y", false);
	EXPECT_STREQ(who_has(site, 1, one, three), "x%00y");
	EXPECT_STREQ(who_has(site, 1, one, two), "4.04");
	EXPECT_STREQ(who(site, "x"), "4.04");
	coax_site_destroy(site);
}

TEST("no bytes in a segment look like the border between two")
{
	struct coax_site *site = make_site();

	add(site, "x%01y", false);
	EXPECT_STREQ(who(site, "x/y"), "4.04");
	add(site, "x/y", false);
	EXPECT_STREQ(who(site, "x/y"), "x/y");
	EXPECT_STREQ(who(site, "x%01y"), "x%01y");
	coax_site_destroy(site);
}

TEST("one encoding of a path is as good as another")
{
	struct coax_site *site = make_site();

	add(site, "%61/b", false);
	EXPECT_EQ(add_result(site, "/a/%62"), -EEXIST);
	EXPECT_STREQ(who(site, "a/b"), "%61/b");
	coax_site_destroy(site);
}

TEST("empty segments count, a trailing slash makes another path")
{
	struct coax_site *site = make_site();

	add(site, "a", false);
	EXPECT_STREQ(who(site, "a/"), "4.04");
	add(site, "a/", false);
	EXPECT_STREQ(who(site, "a"), "a");
	EXPECT_STREQ(who(site, "a/"), "a/");
	EXPECT_STREQ(who(site, "a//"), "4.04");
	add(site, "a//b", false);
	EXPECT_STREQ(who(site, "a//b"), "a//b");
	EXPECT_STREQ(who(site, "a/b"), "4.04");
	coax_site_destroy(site);
}

TEST("the root is the path without segments, and is not one empty segment")
{
	const char *const empty[] = {""};
	const size_t none[] = {0};
	struct coax_site *site = make_site();

	add(site, "", false);
	EXPECT_STREQ(who_has(site, 0, NULL, NULL), "");
	EXPECT_EQ(add_result(site, "/"), -EEXIST);
	EXPECT_STREQ(who_has(site, 1, empty, none), "4.04");
	EXPECT_STREQ(who(site, "a"), "4.04");
	coax_site_destroy(site);
}

TEST("a segment has up to 255 bytes")
{
	struct coax_site *site = make_site();
	char path[257];

	memset(path, 'a', sizeof(path));
	path[256] = 0;
	EXPECT_EQ(add_result(site, path), -EINVAL);
	path[255] = 0;
	add(site, path, false);
	EXPECT_STREQ(who(site, path), path);
	path[254] = 0;
	EXPECT_STREQ(who(site, path), "4.04");
	coax_site_destroy(site);
}

TEST("a path that is too long for any message is refused, and a request for it finds nothing")
{
	struct coax_site *site = make_site();
	char path[3001];

	for (size_t i = 0; i < 3000; i++)
		path[i] = i % 2 ? '/' : 'a';
	path[3000] = 0;
	EXPECT_EQ(add_result(site, path), -EINVAL);
	EXPECT_STREQ(who(site, path), "4.04");
	coax_site_destroy(site);
}

TEST("paths that cannot be are refused")
{
	struct coax_site *site = make_site();

	EXPECT_EQ(add_result(site, NULL), -EINVAL);
	EXPECT_EQ(add_result(site, "a%2"), -EINVAL);
	EXPECT_EQ(add_result(site, "a%zz"), -EINVAL);
	EXPECT_EQ(add_result(site, "a?b"), -EINVAL);
	coax_site_destroy(site);
}

TEST("a resource without a handler, or with too many formats, is refused")
{
	struct coax_resource_options options = {.path = "a"};
	struct coax_site *site = make_site();

	EXPECT_EQ(coax_site_add(site, &options, NULL), -EINVAL);
	options.put = name_yourself;
	options.format_count = COAX_RESOURCE_FORMATS_MAX + 1;
	EXPECT_EQ(coax_site_add(site, &options, NULL), -EINVAL);
	options.format_count = 0;
	options.accept_count = COAX_RESOURCE_FORMATS_MAX + 1;
	EXPECT_EQ(coax_site_add(site, &options, NULL), -EINVAL);
	options.accept_count = 0;
	EXPECT_EQ(coax_site_add(site, &options, NULL), 0);
	coax_site_destroy(site);
}

TEST("a path can be used once, and again when its resource has gone")
{
	struct coax_site *site = make_site();
	struct coax_resource *resource = add(site, "a", false);

	EXPECT_EQ(add_result(site, "a"), -EEXIST);
	EXPECT_EQ(add_result(site, ".well-known/core"), -EEXIST);
	coax_site_remove(site, resource);
	EXPECT_STREQ(who(site, "a"), "4.04");
	add(site, "a", false);
	EXPECT_STREQ(who(site, "a"), "a");
	coax_site_destroy(site);
}

TEST("a subtree answers for itself and all below that has no resource of its own")
{
	struct coax_site *site = make_site();

	add(site, "files", true);
	add(site, "files/own", false);
	EXPECT_STREQ(who(site, "files"), "files");
	EXPECT_STREQ(who(site, "files/"), "files");
	EXPECT_STREQ(who(site, "files/a/b/c/d"), "files");
	EXPECT_STREQ(who(site, "files/own"), "files/own");
	EXPECT_STREQ(who(site, "files/own/below"), "files");
	EXPECT_STREQ(who(site, "file"), "4.04");
	EXPECT_STREQ(who(site, "filesx"), "4.04");
	EXPECT_STREQ(who(site, "x/files"), "4.04");
	coax_site_destroy(site);
}

TEST("of several subtrees the one with the longest path answers")
{
	struct coax_site *site = make_site();
	struct coax_resource *middle;

	add(site, "", true);
	middle = add(site, "a/b", true);
	add(site, "a/b/c/d", true);
	EXPECT_STREQ(who(site, ""), "");
	EXPECT_STREQ(who(site, "a"), "");
	EXPECT_STREQ(who(site, "a/b"), "a/b");
	EXPECT_STREQ(who(site, "a/b/c"), "a/b");
	EXPECT_STREQ(who(site, "a/b/c/d/e"), "a/b/c/d");
	EXPECT_STREQ(who(site, "z/b/c/d"), "");
	coax_site_remove(site, middle);
	EXPECT_STREQ(who(site, "a/b/c"), "");
	EXPECT_STREQ(who(site, "a/b/c/d"), "a/b/c/d");
	coax_site_destroy(site);
}

TEST("a subtree at the root answers for any number of segments, but not for /.well-known/core")
{
	struct coax_site *site = make_site();
	char path[3001];

	add(site, "", true);
	memset(path, '/', sizeof(path));
	path[3000] = 0;
	EXPECT_STREQ(who(site, path), "");
	for (size_t i = 0; i < 3000; i++)
		path[i] = i % 200 ? 'a' : '/';
	EXPECT_STREQ(who(site, path), "");
	EXPECT_STREQ(who(site, ".well-known"), "");
	EXPECT_STREQ(who(site, ".well-known/core"), "</>");
	coax_site_destroy(site);
}

TEST("a resource that is no subtree does not answer for what is below, however deep others are")
{
	struct coax_site *site = make_site();

	add(site, "some/deep/subtree", true);
	add(site, "a", false);
	EXPECT_STREQ(who(site, "a/b"), "4.04");
	EXPECT_STREQ(who(site, "a/b/c/d"), "4.04");
	EXPECT_STREQ(who(site, "some/deep"), "4.04");
	coax_site_destroy(site);
}

TEST("a path that is too long for a resource is found in the deepest subtree that holds it")
{
	struct coax_site *site = make_site();
	char path[5 * 251 + 1], four[4 * 251 + 1];

	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 251 ? 'a' : '/';
	path[5 * 251] = 0;
	memcpy(four, path, 4 * 251);
	four[4 * 251] = 0;
	add(site, "", true);
	add(site, four, true);
	EXPECT_STREQ(who(site, four), four);
	EXPECT_STREQ(who(site, path), four);
	coax_site_destroy(site);
}

TEST("a thousand resources are found each by its path")
{
	struct coax_site *site = make_site();
	static char paths[1000][32];

	for (int i = 0; i < 1000; i++) {
		snprintf(paths[i], sizeof(paths[i]), "r/%d", i);
		add(site, paths[i], false);
	}
	for (int i = 0; i < 1000; i++)
		EXPECT_STREQ(who(site, paths[i]), paths[i]);
	EXPECT_STREQ(who(site, "r/1000"), "4.04");
	coax_site_destroy(site);
}

static void add_sibling(struct coax_responder *responder, void *site)
{
	char path[32];

	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "sibling/%d", i);
		ASSERT_EQ(add_result(site, path), 0);
	}
	coax_respond(responder, COAX_CREATED);
}

TEST("a handler may add resources")
{
	struct coax_site *site = make_site();
	struct coax_resource_options options = {.path = "more", .post = add_sibling, .arg = site};
	struct asked asked;

	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_POST, "more"), COAX_CREATED);
	EXPECT_EQ(add_result(site, "sibling/299"), -EEXIST);
	EXPECT_EQ(add_result(site, "sibling/300"), 0);
	coax_site_destroy(site);
}

TEST_MAIN()
