// SPDX-License-Identifier: BSD-2-Clause
/* Resources whose paths have parameters. */
#include "../site.h"

/* What the last handler saw of "{x}", "{y}" and "{z}". */
static char seen[256];

static void look(struct coax_responder *responder, void *arg)
{
	static const char *const names[] = {"x", "y", "z"};
	size_t used = 0;

	for (size_t i = 0; i < 3; i++) {
		size_t length;
		const uint8_t *value = coax_responder_parameter(responder, names[i], &length);

		if (value)
			used += (size_t)snprintf(seen + used, sizeof(seen) - used, "%s=%.*s;",
						 names[i], (int)length, (const char *)value);
		else
			EXPECT_EQ(length, (size_t)0);
	}
	seen[used] = 0;
	coax_message_set_payload(coax_responder_response(responder), arg, strlen(arg));
	coax_respond(responder, COAX_CONTENT);
}

static struct coax_resource *add(struct coax_site *site, const char *path, bool subtree)
{
	const struct coax_resource_options options = {
		.path = path,
		.get = look,
		.arg = (void *)path,
		.subtree = subtree,
		.cacheable = true,
	};
	struct coax_resource *resource = NULL;

	ASSERT_EQ(coax_site_add(site, &options, &resource), 0);
	return resource;
}

static int add_result(struct coax_site *site, const char *path)
{
	const struct coax_resource_options options = {.path = path, .get = look, .arg = "x"};

	return coax_site_add(site, &options, NULL);
}

static const char *who(struct coax_site *site, const char *path)
{
	struct asked asked;

	seen[0] = 0;
	if (ask_plainly(&asked, site, COAX_GET, path) != COAX_CONTENT)
		return "4.04";
	return asked_payload(&asked);
}

static struct coax_site *make_site(void)
{
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	return site;
}

TEST("a parameter stands for any one segment, and the handler is given it decoded")
{
	struct coax_site *site = make_site();

	add(site, "sensors/{x}/value", false);
	EXPECT_STREQ(who(site, "sensors/7/value"), "sensors/{x}/value");
	EXPECT_STREQ(seen, "x=7;");
	EXPECT_STREQ(who(site, "sensors/a%2fb%20c/value"), "sensors/{x}/value");
	EXPECT_STREQ(seen, "x=a/b c;");
	EXPECT_STREQ(who(site, "sensors//value"), "sensors/{x}/value");
	EXPECT_STREQ(seen, "x=;");
	EXPECT_STREQ(who(site, "sensors/7"), "4.04");
	EXPECT_STREQ(who(site, "sensors/7/8/value"), "4.04");
	EXPECT_STREQ(who(site, "sensors/value"), "4.04");
	EXPECT_STREQ(who(site, "sensors/7/value/more"), "4.04");
	EXPECT_STREQ(who(site, "other/7/value"), "4.04");
	coax_site_destroy(site);
}

TEST("several parameters are told apart by their names, at the first segment and at the last")
{
	struct coax_site *site = make_site();

	add(site, "{x}/b/{y}/{z}", false);
	EXPECT_STREQ(who(site, "1/b/2/3"), "{x}/b/{y}/{z}");
	EXPECT_STREQ(seen, "x=1;y=2;z=3;");
	add(site, "{z}", false);
	EXPECT_STREQ(who(site, "only"), "{z}");
	EXPECT_STREQ(seen, "z=only;");
	EXPECT_STREQ(who(site, ""), "4.04");
	coax_site_destroy(site);
}

TEST("where several resources fit, the first segment where they differ decides: literal first")
{
	struct coax_site *site = make_site();

	add(site, "{x}/{y}", false);
	EXPECT_STREQ(who(site, "a/b"), "{x}/{y}");
	add(site, "{x}/b", false);
	EXPECT_STREQ(who(site, "a/b"), "{x}/b");
	add(site, "a/{y}", false);
	EXPECT_STREQ(who(site, "a/b"), "a/{y}");
	EXPECT_STREQ(seen, "y=b;");
	add(site, "a/b", false);
	EXPECT_STREQ(who(site, "a/b"), "a/b");
	EXPECT_STREQ(seen, "");
	EXPECT_STREQ(who(site, "c/b"), "{x}/b");
	EXPECT_STREQ(who(site, "c/d"), "{x}/{y}");
	EXPECT_STREQ(who(site, "a/d"), "a/{y}");
	coax_site_destroy(site);
}

TEST("a longer beginning of literal segments counts for more than a whole path that fits")
{
	struct coax_site *site = make_site();

	add(site, "{x}/b/c", false);
	add(site, "a", true);
	EXPECT_STREQ(who(site, "a/b/c"), "a");
	EXPECT_STREQ(who(site, "z/b/c"), "{x}/b/c");
	add(site, "a/{x}/c", false);
	EXPECT_STREQ(who(site, "a/b/c"), "a/{x}/c");
	EXPECT_STREQ(who(site, "a/b/d"), "a");
	add(site, "a/b", true);
	EXPECT_STREQ(who(site, "a/b/c"), "a/b");
	EXPECT_STREQ(who(site, "a/d/c"), "a/{x}/c");
	coax_site_destroy(site);
}

TEST("a subtree may have parameters, and answers for all below")
{
	struct coax_site *site = make_site();
	struct coax_resource *deep;
	char path[3001];

	add(site, "", true);
	add(site, "u/{x}", true);
	deep = add(site, "u/{x}/{y}", true);
	EXPECT_STREQ(who(site, "u"), "");
	EXPECT_STREQ(who(site, "u/1"), "u/{x}");
	EXPECT_STREQ(seen, "x=1;");
	EXPECT_STREQ(who(site, "u/1/2/3/4"), "u/{x}/{y}");
	EXPECT_STREQ(seen, "x=1;y=2;");
	coax_site_remove(site, deep);
	EXPECT_STREQ(who(site, "u/1/2/3/4"), "u/{x}");
	memset(path, 'a', sizeof(path));
	for (size_t i = 1; i < 3000; i += 200)
		path[i] = '/';
	path[0] = 'u';
	path[3000] = 0;
	EXPECT_STREQ(who(site, path), "u/{x}");
	coax_site_destroy(site);
}

TEST("a parameter does not make a resource a subtree, whatever other shapes there are")
{
	struct coax_site *site = make_site();
	struct coax_resource *tree = add(site, "a/{x}", true);

	coax_site_remove(site, tree);
	add(site, "a/{x}", false);
	add(site, "b/{x}", true);
	EXPECT_STREQ(who(site, "a/1"), "a/{x}");
	EXPECT_STREQ(who(site, "a/1/2"), "4.04");
	EXPECT_STREQ(who(site, "b/1/2"), "b/{x}");
	coax_site_destroy(site);
}

TEST("a parameter does not mix with an empty segment, nor with a literal one in braces")
{
	struct coax_site *site = make_site();

	add(site, "a/{x}", false);
	add(site, "a/", false);
	add(site, "a/%7Bx%7D", false);
	EXPECT_STREQ(who(site, "a/"), "a/");
	EXPECT_STREQ(who(site, "a/%7bx%7d"), "a/%7Bx%7D");
	EXPECT_STREQ(seen, "");
	EXPECT_STREQ(who(site, "a/1"), "a/{x}");
	coax_site_destroy(site);
}

TEST("paths that differ in the names of parameters alone are the same")
{
	struct coax_site *site = make_site();
	struct coax_resource *resource = add(site, "a/{x}", false);

	EXPECT_EQ(add_result(site, "a/{y}"), -EEXIST);
	coax_site_remove(site, resource);
	EXPECT_STREQ(who(site, "a/1"), "4.04");
	EXPECT_EQ(add_result(site, "a/{y}"), 0);
	EXPECT_STREQ(who(site, "a/1"), "x");
	EXPECT_STREQ(seen, "y=1;");
	coax_site_destroy(site);
}

TEST("braces that are no parameter are refused, and so are empty and repeated names")
{
	static const char *const bad[] = {
		"{",	 "}",	     "{}",    "a/{}/b",	 "{x",	  "x}",	       "a{x}",
		"{x}a",	 "a/{x}{y}", "{{x}}", "{x}/{x}", "{x/y}", "{x}/b/{x}", "{x}/../{y}",
		"./{x}", "{x}/..",   "{a b}", "{%zz}",	 "{x}?q",
	};
	struct coax_site *site = make_site();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (add_result(site, bad[i]) != -EINVAL)
			HARNESS_SAY("not refused: %s", bad[i]);
		EXPECT_NE(add_result(site, bad[i]), 0);
	}
	EXPECT_EQ(add_result(site, "{x}/{X}/{%78x}"), 0);
	coax_site_destroy(site);
}

TEST("a parameter may be any of the first 64 segments")
{
	struct coax_site *site = make_site();
	char path[200], request[200];

	for (size_t i = 0; i < 63; i++)
		memcpy(path + 2 * i, "a/", 2);
	memcpy(path + 126, "{x}", 4);
	memcpy(request, path, 126);
	memcpy(request + 126, "end", 4);
	add(site, path, false);
	EXPECT_STREQ(who(site, request), path);
	EXPECT_STREQ(seen, "x=end;");
	memcpy(path + 126, "a/{x}", 6);
	EXPECT_EQ(add_result(site, path), -EINVAL);
	memcpy(path + 126, "{x}/b/c", 8);
	memcpy(request + 126, "end/b/c", 8);
	add(site, path, false);
	EXPECT_STREQ(who(site, request), path);
	coax_site_destroy(site);
}

TEST("a parameter that the path does not have, and one after the handler has deferred, are NULL")
{
	struct coax_site *site = make_site();
	struct asked asked;
	size_t length = 1;

	add(site, "{x}", false);
	ask_plainly(&asked, site, COAX_GET, "v");
	EXPECT_FALSE(coax_responder_parameter(&asked.responder, "", &length));
	EXPECT_FALSE(coax_responder_parameter(&asked.responder, "{x}", &length));
	EXPECT_EQ(length, (size_t)0);
	asked.responder.resource = NULL;
	EXPECT_FALSE(coax_responder_parameter(&asked.responder, "x", &length));
	coax_site_destroy(site);
}

/* How far the subject that answers for a path has come. */
static uint64_t generation(struct coax_site *site, const char *path)
{
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, path), COAX_CONTENT);
	ASSERT_TRUE(asked.responder.subject);
	EXPECT_EQ(coax_subject_generation(asked.responder.subject), asked.responder.generation);
	return asked.responder.generation;
}

TEST("what takes a path over withdraws what was published for it before, and nothing else")
{
	static const struct {
		const char *former, *request; /* a resource, and a path that it answers for */
		bool subtree;
		const char *path; /* of a new one */
		bool tree, takes;
	} rows[] = {
		{"a/{x}", "a/1", false, "a/b", false, true},
		{"a/{x}", "a/1", false, "b/c", false, false},
		{"a/{x}", "a/1", false, "a/b/c", false, false},
		{"a/{x}", "a/1", false, "a", true, true},
		{"{x}/b", "1/b", false, "a", true, true},
		{"{x}/b", "1/b", false, "a/{x}", false, true},
		{"{x}/b", "1/b", false, "a/{x}/c", false, false},
		{"{x}/b", "1/b", false, "a/c", true, false},
		{"a", "a", true, "a/{x}", false, true},
		{"a", "a/1", true, "{x}/b", false, true},
		{"a", "a/1", true, "b/{x}", false, false},
		{"{x}", "1/2", true, "a/b/c", false, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct coax_site *site = make_site();
		uint64_t before;

		add(site, rows[i].former, rows[i].subtree);
		before = generation(site, rows[i].request);
		add(site, rows[i].path, rows[i].tree);
		if (rows[i].takes != (generation(site, rows[i].request) != before))
			HARNESS_SAY("row %zu", i);
		EXPECT_EQ(generation(site, rows[i].request) != before, rows[i].takes);
		coax_site_destroy(site);
	}
}

TEST_MAIN()
