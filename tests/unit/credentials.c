// SPDX-License-Identifier: BSD-2-Clause
/*
 * Credentials: the file's format, what is found by what, and that secrets go.
 */
#include "../harness.h"
#include "../pem.h"
#include <fcntl.h>
#include <sodium.h>
#include <time.h>
#include <coax/credentials.h>
#include "credentials/claims.h"
#include "credentials/credentials.h"
#include "credentials/private_key.h"

TEST("a set of one key serves requests to every server, and no server")
{
	const struct coax_credential *credential;
	struct coax_credentials *set;

	ASSERT_EQ(coax_credentials_for_psk(&set, "id", 2, "key", 3), 0);
	credential = coax_credentials_for_uri(set, "coaps://[::1]:1234/a");
	ASSERT_TRUE(credential != NULL);
	EXPECT_TRUE(credential->kind == COAX_CREDENTIAL_PSK);
	EXPECT_EQ(credential->psk.identity_length, 2u);
	EXPECT_MEMEQ(credential->psk.key, "key", 3);
	EXPECT_FALSE(coax_credentials_have_psk(set));
	EXPECT_TRUE(coax_credentials_for_identity(set, NULL, (const uint8_t *)"id", 2) == NULL);
	EXPECT_TRUE(coax_credentials_own(set, 0) == NULL);
	coax_credentials_release(set);
}

TEST("identities and keys are as long as RFC 4279 section 5.3 asks for, and not empty")
{
	struct coax_credentials *set;
	char bytes[200] = {1};

	EXPECT_EQ(coax_credentials_for_psk(&set, "", 0, "key", 3), -EINVAL);
	EXPECT_EQ(coax_credentials_for_psk(&set, "id", 2, "", 0), -EINVAL);
	EXPECT_EQ(coax_credentials_for_psk(&set, bytes, 129, "key", 3), -EINVAL);
	EXPECT_EQ(coax_credentials_for_psk(&set, "id", 2, bytes, 65), -EINVAL);
	ASSERT_EQ(coax_credentials_for_psk(&set, bytes, 128, bytes, 64), 0);
	coax_credentials_release(set);
}

static char error[COAX_CREDENTIALS_ERROR_MAX];

static struct coax_credentials *parse(const char *text)
{
	struct coax_credentials *set = NULL;

	if (coax_credentials_parse(&set, text, strlen(text), "/etc/coax/c.json", error)) {
		printf("# %s\n", error);
		ASSERT_TRUE(!"parsed");
	}
	return set;
}

static const char *label_for_uri(const struct coax_credentials *set, const char *uri)
{
	const struct coax_credential *credential = coax_credentials_for_uri(set, uri);

	return credential ? credential->label : "none";
}

static const char *label_for_identity(const struct coax_credentials *set, const char *server_name,
				      const char *identity)
{
	const struct coax_credential *credential = coax_credentials_for_identity(
		set, server_name, (const uint8_t *)identity, strlen(identity));

	return credential ? credential->label : "none";
}

#define PSK(id) "{\"dtls\":{\"psk\":{\"ascii\":\"k\"},\"client-identity\":{\"ascii\":\"" id "\"}}}"

/* Reads as text of JSON does, with ' for ". */
static struct coax_credentials *parse_quoted(const char *text)
{
	char quoted[8192];
	size_t i;

	for (i = 0; text[i] && i < sizeof(quoted) - 1; i++)
		quoted[i] = text[i] == '\'' ? '"' : text[i];
	quoted[i] = '\0';
	return parse(quoted);
}

static void expect_error(const char *text, const char *wanted)
{
	struct coax_credentials *set = NULL;
	char quoted[8192];
	size_t i;

	for (i = 0; text[i] && i < sizeof(quoted) - 1; i++)
		quoted[i] = text[i] == '\'' ? '"' : text[i];
	strcpy(error, "no error");
	EXPECT_LT(coax_credentials_parse(&set, quoted, i, "c.json", error), 0);
	if (!strstr(error, wanted) || strstr(error, "SECRET")) {
		HARNESS_SAY("got: %s", error);
		HARNESS_SAY("wanted: %s", wanted);
		harness_failed = 1;
	}
}

TEST("keys and identities come as ASCII, as hex with separators, and as base64")
{
	struct coax_credentials *set =
		parse_quoted("{'coaps://a/*': {'dtls': {'psk': {'ascii': 's\\u0065\\\\\\/\\tx'},"
			     " 'client-identity': {'hex': '73:65-63 00'}}},\n"
			     "'coaps://b/*': {'dtls': {'psk': {'base64': 'AAEC/w=='},"
			     " 'client-identity': {'hex': 'Ff'}}}}");
	const struct coax_psk *psk = &coax_credentials_for_uri(set, "coaps://a/x")->psk;

	EXPECT_EQ(psk->key_length, 6u);
	EXPECT_MEMEQ(psk->key, "se\\/\tx", 6);
	EXPECT_EQ(psk->identity_length, 4u);
	EXPECT_MEMEQ(psk->identity, "sec\0", 4);
	psk = &coax_credentials_for_uri(set, "coaps://b/x")->psk;
	EXPECT_EQ(psk->key_length, 4u);
	EXPECT_MEMEQ(psk->key, "\0\1\2\377", 4);
	EXPECT_EQ(psk->identity_length, 1u);
	EXPECT_MEMEQ(psk->identity, "\377", 1);
	coax_credentials_release(set);
}

TEST("of the patterns that fit a URI as a whole, the longest counts")
{
	struct coax_credentials *set = parse(
		"{\"*\":" PSK("all") ",\"coaps://Host.example/*\":" PSK("host") ",\"coaps://host.example/a\":" PSK("exact") ",\"coaps://*.example:77/*z\":" PSK(
			"star") ","
				"\"coaps://port.example:5684/*\":" PSK(
					"port") ",\"coaps://open.example*\":" PSK("open") "}");

	EXPECT_STREQ(label_for_uri(set, "coaps://elsewhere/"), "*");
	EXPECT_STREQ(label_for_uri(set, "coaps://HOST.example/b"), "coaps://Host.example/*");
	EXPECT_STREQ(label_for_uri(set, "coaps://host.example"), "coaps://Host.example/*");
	EXPECT_STREQ(label_for_uri(set, "coaps://host.example:5684/b"), "coaps://Host.example/*");
	EXPECT_STREQ(label_for_uri(set, "coaps://host.example:5685/b"), "*");
	EXPECT_STREQ(label_for_uri(set, "coaps://host.example:5684/a"), "coaps://host.example/a");
	EXPECT_STREQ(label_for_uri(set, "coaps://host.example/A"), "coaps://Host.example/*");
	EXPECT_STREQ(label_for_uri(set, "coaps://x.example:77/aazaz"), "coaps://*.example:77/*z");
	EXPECT_STREQ(label_for_uri(set, "coaps://x.example:77/aaza"), "*");
	EXPECT_STREQ(label_for_uri(set, "coaps://port.example/"), "coaps://port.example:5684/*");
	EXPECT_STREQ(label_for_uri(set, "coaps://open.example:9/"), "coaps://open.example*");
	EXPECT_STREQ(label_for_uri(set, ""), "*");
	coax_credentials_release(set);

	set = parse("{}");
	EXPECT_STREQ(label_for_uri(set, "coaps://elsewhere/"), "none");
	coax_credentials_release(set);
}

TEST("a wildcard pattern fits as the grammar says, whatever it has to be tried at")
{
	static const struct {
		const char *pattern, *uri;
		bool fits;
	} cases[] = {
		{"coaps://a/*", "coaps://a/", true},
		{"coaps://a/*", "coaps://ab/", false},
		{"coaps://a/*b*c", "coaps://a/xbxbc", true},
		{"coaps://a/*b*c", "coaps://a/xcxb", false},
		{"coaps://a/*abc", "coaps://a/ababc", true},
		{"coaps://a/**", "coaps://a/", true},
		{"*://a/", "coaps://a", true},
		{"coaps://[::1]/*", "coaps://[::1]:5684/x", true},
		{"coaps://[::1]/*", "coaps://[::1]/x", true},
		{"coaps://[::1]:5684/*", "coaps://[::1]/x", true},
		{"coaps://a", "coaps://a/", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512];
		struct coax_credentials *set;

		snprintf(text, sizeof(text), "{\"%s\":%s}", cases[i].pattern, PSK("i"));
		set = parse(text);
		if ((coax_credentials_for_uri(set, cases[i].uri) != NULL) != cases[i].fits)
			HARNESS_SAY("%s and %s", cases[i].pattern, cases[i].uri);
		EXPECT_EQ(coax_credentials_for_uri(set, cases[i].uri) != NULL, cases[i].fits);
		coax_credentials_release(set);
	}
}

TEST("references lead to entries, before or behind, also through others")
{
	struct coax_credentials *set =
		parse("{\"coaps://a/*\": \":one\", \":one\": \":two\", \":two\":" PSK(
			"x") ", \"coaps://b/*\": \":two\"}");

	EXPECT_STREQ(label_for_uri(set, "coaps://a/"), ":two");
	EXPECT_STREQ(label_for_uri(set, "coaps://b/"), ":two");
	EXPECT_STREQ(label_for_identity(set, NULL, "x"), ":two");
	coax_credentials_release(set);
}

TEST("of an any-of a client uses the first that DTLS can, and a server knows them all")
{
	struct coax_credentials *set = parse(
		"{\"coaps://a/*\": {\"any-of\": [{\"oscore\": {\"basedir\": \"x/\"}}, \":b\", \":a\"]},"
		"\":a\": {\"any\": [" PSK("1") "," PSK("2") ", \":b\"]}, \":b\":" PSK(
			"3") ","
			     "\"coaps://o/*\": {\"oscore\": {\"basedir\": \"x/\"}}, \"*\": \":a\"}");

	EXPECT_STREQ(label_for_uri(set, "coaps://a/"), ":b");
	EXPECT_STREQ(label_for_uri(set, "coaps://o/"), "none");
	EXPECT_STREQ(label_for_uri(set, "coaps://other/"), ":a");
	EXPECT_STREQ(label_for_identity(set, NULL, "1"), ":a");
	EXPECT_STREQ(label_for_identity(set, NULL, "2"), ":a");
	EXPECT_STREQ(label_for_identity(set, NULL, "3"), ":b");
	coax_credentials_release(set);
}

TEST("an all-of of several is nothing that a session of DTLS could give")
{
	struct coax_credentials *set = parse(
		"{\"coaps://a/*\": {\"all-of\": [\":b\", {\"oscore\": {\"basedir\": \"x/\"}}]},"
		"\":c\": {\"all-of\": [" PSK("1") ", {\"unprotected\": true}]}, \":b\":" PSK(
			"3") ","
			     "\"coaps://s/*\": {\"all\": [\":b\"]}, \":d\": {\"all-of\": [" PSK(
				     "4") "]}}");

	EXPECT_STREQ(label_for_uri(set, "coaps://a/"), "none");
	EXPECT_STREQ(label_for_uri(set, "coaps://s/"), ":b");
	EXPECT_STREQ(label_for_identity(set, NULL, "1"), "none");
	EXPECT_STREQ(label_for_identity(set, NULL, "4"), ":d");
	coax_credentials_release(set);
}

TEST("a server does not accept what is below a client's pattern")
{
	struct coax_credentials *set =
		parse("{\"coaps://a/*\":" PSK("client") ", \"*\": {\"any-of\": [" PSK("any") "]}}");

	EXPECT_FALSE(coax_credentials_have_psk(set));
	EXPECT_STREQ(label_for_identity(set, NULL, "client"), "none");
	EXPECT_STREQ(label_for_identity(set, NULL, "any"), "none");
	coax_credentials_release(set);
	set = parse("{\"coaps://a/*\":" PSK("client") ", \":a\":" PSK("server") "}");
	EXPECT_TRUE(coax_credentials_have_psk(set));
	EXPECT_STREQ(label_for_identity(set, NULL, "client"), "none");
	EXPECT_STREQ(label_for_identity(set, NULL, "serve"), "none");
	EXPECT_STREQ(label_for_identity(set, NULL, "server"), ":a");
	coax_credentials_release(set);
}

TEST("a key for a server name comes before one for any, and is for no other name")
{
	struct coax_credentials *set = parse_quoted(
		"{':any': {'dtls': {'psk': {'ascii': 'k'}, 'client-identity': {'ascii': 'i'}}},"
		"':a': {'dtls': {'psk': {'ascii': 'l'}, 'client-identity': {'ascii': 'i'},"
		" 'server-name': 'A.example'}},"
		"':b': {'dtls': {'psk': {'ascii': 'm'}, 'client-identity': {'ascii': 'j'},"
		" 'server-name': 'b.example'}}}");

	EXPECT_STREQ(label_for_identity(set, NULL, "i"), ":any");
	EXPECT_STREQ(label_for_identity(set, "a.EXAMPLE", "i"), ":a");
	EXPECT_STREQ(label_for_identity(set, "a.example.", "i"), ":a");
	EXPECT_STREQ(label_for_identity(set, "b.example", "i"), ":any");
	EXPECT_STREQ(label_for_identity(set, "b.example", "j"), ":b");
	EXPECT_STREQ(label_for_identity(set, "a.example", "j"), "none");
	EXPECT_STREQ(label_for_identity(set, NULL, "j"), "none");
	coax_credentials_release(set);
}

TEST("null is no entry")
{
	struct coax_credentials *set =
		parse("{\"coaps://a/*\": null, \":a\": null, \"*\":" PSK("i") "}");

	EXPECT_STREQ(label_for_uri(set, "coaps://a/"), "*");
	coax_credentials_release(set);
	expect_error("{':a': null,\n'*': ':a'}", "c.json:2: \"*\": there is no entry \":a\"");
}

TEST("errors name file, line and key, and what to do, and no secret")
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"", "c.json:1: this is not JSON"},
		{"[]", "c.json:1: credentials are one object"},
		{"{\n\n  'a*': 12}", "c.json:3: this is not JSON: something that is neither"},
		{"{\n'a*': SECRET}", "c.json:2: this is not JSON: something that is neither"},
		{"{'a*': 'SECRET\n}", "c.json:1: this is not JSON: a text without an end"},
		{"{'a*': 'SECRET", "c.json:1: this is not JSON: a text without an end"},
		{"{'a*': 'SECRET\\", "c.json:1: this is not JSON: a text without an end"},
		{"{\n'a*': 'SECRET'\n'b*': ':c'}", "c.json:3: this is not JSON: '}' expected"},
		{"{'*': ':a',\n", "c.json:2: this is not JSON"},
		{"{'*':\n'SECRET'}", "c.json:2: \"*\": a text here names another entry"},
		{"{'*':\n':nobody'}", "c.json:2: \"*\": there is no entry \":nobody\" to refer to"},
		{"{'x':\n':a'}", "c.json:1: \"x\": a key is a pattern of URIs"},
		{"{\n':': null}", "c.json:2: \":\": a key is a pattern of URIs"},
		{"{'\\ud800*': null}", "c.json:1: a text has an escape that JSON does not know"},
		{"{'\\u0000*': null}", "c.json:1: a text has an escape that JSON does not know"},
		{"{'\\q': null}", "c.json:1: a text has an escape that JSON does not know"},
		{"{'\377*': null}", "c.json:1: \"\377*\": a key of the map is not UTF-8"},
		{"{'*': true}", "c.json:1: \"*\": an entry is an object such as"},
		{"{'*': {\n}}", "c.json:1: \"*\": here goes an object with exactly one of dtls"},
		{"{'*': {\n'dtls': {}, 'any-of': []}}",
		 "\"*\": here goes an object with exactly one"},
		{"{'*': {\n'dtsl': {}}}", "c.json:2: \"*\": there is no type \"dtsl\": use dtls"},
		{"{'*': {\n'dtls': 'SECRET'}}", "c.json:2: \"*\": dtls is an object with psk"},
		{"{'*': {\n'dtls': {\n'psk': {'ascii': 'SECRET'}}}}",
		 "c.json:2: \"*\": dtls lacks client-identity"},
		{"{'*': {'dtls': {\n'psk': 'SECRET'}}}",
		 "c.json:2: \"*\": here goes an object with exactly one of ascii, hex and base64"},
		{"{'*': {'dtls': {'psk':\n {'SECRET': 'x'}}}}",
		 "c.json:2: \"*\": psk is a text below ascii, hex or base64"},
		{"{'*': {'dtls': {'psk': {'ascii': 'SECRET',\n 'hex': '00'}}}}",
		 "\"*\": here goes an object with exactly one of"},
		{"{'*': {'dtls': {'psk':\n {'hex': '00 SECRET'}}}}",
		 "c.json:2: \"*\": psk is not hex"},
		{"{'*': {'dtls': {'psk':\n {'hex': '000'}}}}", "c.json:2: \"*\": psk is not hex"},
		{"{'*': {'dtls': {'psk':\n {'ascii': ''}}}}", "\"*\": psk is not ascii of 1 to 64"},
		{"{'*': {'dtls': {'psk':\n {'ascii': 'SECRET\303\244'}}}}",
		 "psk is not ascii of 1"},
		{"{'*': {'dtls': {'psk':\n {'base64': 'SECRET!'}}}}",
		 "c.json:2: \"*\": psk is not base64"},
		{"{'*': {'dtls': {'psk':\n {'ascii': '1234567890123456789012345678901234567890"
		 "1234567890123456789012345'}}}}",
		 "psk is not ascii of 1 to 64"},
		{"{'*': {'dtls': {'psk': {'ascii': 'SECRET'},\n'pks': {}}}}",
		 "c.json:2: \"*\": dtls has no attribute \"pks\": it has psk, client-identity"},
		{"{'*': {'dtls': {'psk': {'ascii': 'SECRET'},\n'psk': {'ascii': 'SECRET'}}}}",
		 "c.json:2: \"*\": psk is there twice"},
		{"{'*': {'dtls': {'server-name':\n'x'}}}",
		 "\"*\": server-name is for a server's entries"},
		{"{':a': {'dtls': {'server-name':\n'x y'}}}",
		 "c.json:2: \":a\": server-name is the name of a host"},
		{"{'*': {'any-of': {}}}", "c.json:1: \"*\": here goes a list"},
		{"{'*': {\n'any-of': []}}", "c.json:2: \"*\": here goes a list"},
		{"{'*': {'any-of': [\nnull]}}", "\"*\": an entry is an object such as"},
		{"{'*': {'any-of': [{'oscore': 'SECRET'},\n':b']}}",
		 "c.json:2: \"*\": there is no entry \":b\""},
		{"{'a*': ':b',\n'b*': ':b', ':b': {'oscore': {}},\n'a*': ':b'}",
		 "c.json:3: \"a*\": it is in line 1 already"},
		{"{':a': ':b',\n':b': ':a'}", "c.json:2: \":b\": by \":a\" it refers to itself"},
		{"{':a': {'any-of': [\n':a']}}", "c.json:2: \":a\": by \":a\" it refers to itself"},
		{"{':a': {'dtls': {'psk': {'ascii': 'SECRET'}, 'client-identity': {'ascii': 'i'}}},\n"
		 "':b': {'dtls': {'psk': {'ascii': 'SECRET'}, 'client-identity': {'hex': '69'}}}}",
		 "c.json:2: \":b\": its client-identity is also that of \":a\""},
		{"{'*': {'certificate': {}}}", "certificate: it needs a chain with its key, or"},
		{"{'*': {'certificate': {'authorities':\n'SECRET'}}}",
		 "c.json:2: \"*\": authorities are \"system\" or"},
		{"{'*': {'certificate': {'authorities':\n{'file': 'no-such.pem'}}}}",
		 "c.json:2: \"*\": the authorities \"no-such.pem\" cannot be read: No such file"},
		{"{'*': {'certificate': {'key': {'pem':\n'SECRET'}}}}",
		 "c.json:2: \"*\": key: there is no private key in it"},
		{"{'*': {'certificate': {'chain': {'pem':\n'SECRET'}}}}",
		 "c.json:2: \"*\": chain: there is no certificate in it"},
		{"{'*': {'certificate': {'any-name': ':a'}}}", "any-name is true or false"},
		{"{':a': {'certificate': {'client-certificate':\n'perhaps'}}}",
		 "c.json:2: \":a\": client-certificate is \"optional\" or \"required\""},
		{"{'*': {'raw-public-key': {}}}", "raw-public-key lacks key"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_error(cases[i].text, cases[i].error);
}

TEST("references that lead on and on are refused, from whichever end they are read")
{
	static char up[8192], down[8192];

	strcpy(up, "{':0': {'oscore': {}}");
	strcpy(down, "{':20': {'oscore': {}}");
	for (int i = 0; i < 20; i++) {
		sprintf(up + strlen(up), ",\n':%d': ':%d'", i + 1, i);
		sprintf(down + strlen(down), ",\n':%d': ':%d'", i, i + 1);
	}
	strcat(up, "}");
	strcat(down, "}");
	expect_error(up, "references and lists are more than 16 deep");
	expect_error(down, "references and lists are more than 16 deep");
}

TEST("lists in lists end somewhere")
{
	static char text[8192];

	strcpy(text, "{'*':");
	for (int i = 0; i < 20; i++)
		strcat(text, "{'any-of':[");
	strcat(text, "':a'");
	for (int i = 0; i < 20; i++)
		strcat(text, "]}");
	strcat(text, ",':a':{'oscore':{}}}");
	expect_error(text, "references and lists are more than 16 deep");
}

/* Two keys with certificates. */
struct pki {
	char key[PEM_TEXT_MAX], certificate[PEM_TEXT_MAX], public_key[PEM_TEXT_MAX];
	char revoked[PEM_TEXT_MAX], other_key[PEM_TEXT_MAX];
};

static void make_pki(struct pki *pki)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");

	pem_private_key(key, pki->key);
	pem_certificate(key, "gateway", pki->certificate);
	pem_public_key(key, pki->public_key);
	pem_revoked(key, pki->revoked);
	pem_private_key(other, pki->other_key);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	harness_write("key.pem", pki->key);
	harness_write("chain.pem", pki->certificate);
	harness_write("public.pem", pki->public_key);
	harness_write("revoked.pem", pki->revoked);
	harness_write("other.pem", pki->other_key);
}

/* Load what `text` (with ' for ") says in a file beside the keys. */
static int load(const char *text, struct coax_credentials **set)
{
	char quoted[2 * PEM_TEXT_MAX], path[128];
	size_t i;

	for (i = 0; text[i]; i++)
		quoted[i] = text[i] == '\'' ? '"' : text[i];
	quoted[i] = '\0';
	harness_write("c.json", quoted);
	snprintf(path, sizeof(path), "%s/c.json", harness_directory());
	return coax_credentials_load(set, path, error);
}

TEST("certificates and keys come from files beside the file, and say what they are for")
{
	const struct coax_credential *own, *client;
	struct coax_credentials *set;
	struct pki pki;

	make_pki(&pki);
	ASSERT_EQ(load("{':gateway': {'certificate': {'chain': {'file': 'chain.pem'},"
		       " 'key': {'file': 'key.pem'}, 'authorities': {'file': 'chain.pem'},"
		       " 'revoked': {'file': 'revoked.pem'}, 'server-name': 'gw.example'}},"
		       "':open': {'certificate': {'chain': {'file': 'chain.pem'},"
		       " 'key': {'file': 'key.pem'}, 'authorities': 'system',"
		       " 'client-certificate': 'optional'}},"
		       "':raw': {'raw-public-key': {'key': {'file': 'key.pem'},"
		       " 'peer-key': {'file': 'public.pem'}}},"
		       "':trust': {'certificate': {'authorities': 'system'}},"
		       "'coaps://*': {'certificate': {'authorities': {'file': 'chain.pem'},"
		       " 'any-name': true}}}",
		       &set),
		  0);
	own = coax_credentials_own(set, 0);
	EXPECT_STREQ(own->label, ":gateway");
	EXPECT_STREQ(own->server_name, "gw.example");
	EXPECT_TRUE(own->kind == COAX_CREDENTIAL_CERTIFICATES);
	EXPECT_STREQ(own->certificates.chain, pki.certificate);
	EXPECT_STREQ(own->certificates.key, pki.key);
	EXPECT_STREQ(own->certificates.authorities, pki.certificate);
	EXPECT_STREQ(own->certificates.revoked, pki.revoked);
	EXPECT_TRUE(own->certificates.demands_peer);
	own = coax_credentials_own(set, 1);
	EXPECT_STREQ(own->label, ":open");
	EXPECT_TRUE(own->certificates.system_authorities);
	EXPECT_FALSE(own->certificates.demands_peer);
	own = coax_credentials_own(set, 2);
	EXPECT_TRUE(own->kind == COAX_CREDENTIAL_PUBLIC_KEY);
	EXPECT_STREQ(own->certificates.peer_key, pki.public_key);
	EXPECT_TRUE(coax_credentials_own(set, 3) == NULL);
	client = coax_credentials_for_uri(set, "coaps://gw.example/");
	EXPECT_TRUE(client->certificates.any_name);
	EXPECT_FALSE(client->certificates.demands_peer);
	EXPECT_TRUE(client->certificates.chain == NULL);
	coax_credentials_release(set);
}

TEST("what is wrong with certificates is said with the line")
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"{':a': {'certificate':\n{'chain': {'file': 'chain.pem'}}}}",
		 "c.json:1: \":a\": certificate: chain and key go together"},
		{"{':a': {'certificate': {'chain': {'file': 'chain.pem'},\n"
		 "'key': {'file': 'other.pem'}}}}",
		 "it is not the key of the chain's first certificate"},
		{"{':a': {'certificate': {\n'key': {'file': 'chain.pem'}}}}",
		 "c.json:2: \":a\": key: there is no private key in it"},
		{"{':a': {'certificate': {\n'revoked': {'file': 'chain.pem'}}}}",
		 "c.json:2: \":a\": revoked: there is no revocation list in it"},
		{"{':a': {'raw-public-key': {\n'peer-key': {'file': 'chain.pem'}}}}",
		 "c.json:2: \":a\": peer-key: there is no public key in it"},
		{"{':a': {'certificate': {'key': {'file': 'key.pem'}, 'chain': {'file': 'chain.pem'},"
		 "\n'client-certificate': 'required'}}}",
		 "client-certificate needs authorities"},
		{"{':a': {'certificate': {'chain': {'file':\n'/'}}}}",
		 "c.json:2: \":a\": the chain \"/\" cannot be read: Is a directory"},
	};
	struct coax_credentials *set;
	struct pki pki;

	make_pki(&pki);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT_LT(load(cases[i].text, &set), 0);
		if (!strstr(error, cases[i].error))
			HARNESS_SAY("got %s", error);
		EXPECT_TRUE(strstr(error, cases[i].error) != NULL);
	}
	EXPECT_EQ(coax_credentials_load(&set, "/no/such/file", error), -ENOENT);
	EXPECT_STREQ(error, "/no/such/file: it cannot be read: No such file or directory");
}

TEST("private keys are read as OpenSSL writes them, of P-256 and P-384, and no others")
{
	static const struct {
		const char *curve;
		bool is_read;
	} cases[] = {{"P-256", true}, {"P-384", true}, {"P-521", false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EVP_PKEY *key = EVP_EC_gen(cases[i].curve), *read;
		char text[2][PEM_TEXT_MAX];
		BIO *bio = BIO_new(BIO_s_mem());

		pem_private_key(key, text[0]);
		PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
		pem_take(bio, text[1]);
		EXPECT_TRUE(strstr(text[1], "BEGIN EC PRIVATE KEY") != NULL);
		for (int form = 0; form < 2; form++) {
			read = coax_private_key_read(text[form]);
			EXPECT_EQ(read != NULL, cases[i].is_read);
			if (read)
				EXPECT_EQ(EVP_PKEY_eq(read, key), 1);
			EVP_PKEY_free(read);
			/* Cut short anywhere, it is none. */
			for (size_t cut = strlen(text[form]) - 1; cut-- > 0;) {
				text[form][cut] = '\0';
				read = coax_private_key_read(text[form]);
				EXPECT_TRUE(!read);
				EVP_PKEY_free(read);
			}
		}
		EVP_PKEY_free(key);
	}
}

TEST("a private key signs what the certificate's own verifies")
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *read;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	char text[PEM_TEXT_MAX];
	uint8_t signature[80];
	size_t length = sizeof(signature);

	pem_private_key(key, text);
	read = coax_private_key_read(text);
	ASSERT_TRUE(read != NULL);
	ASSERT_EQ(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, read), 1);
	ASSERT_EQ(EVP_DigestSign(context, signature, &length, (const uint8_t *)"x", 1), 1);
	EVP_MD_CTX_reset(context);
	ASSERT_EQ(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
	EXPECT_EQ(EVP_DigestVerify(context, signature, length, (const uint8_t *)"x", 1), 1);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	EVP_PKEY_free(read);
}

TEST("a client's certificates need no file of credentials")
{
	char chain[128], key[128], other[128];
	const struct coax_credential *credential;
	struct coax_credentials *set;
	struct pki pki;

	make_pki(&pki);
	snprintf(chain, sizeof(chain), "%s/chain.pem", harness_directory());
	snprintf(key, sizeof(key), "%s/key.pem", harness_directory());
	snprintf(other, sizeof(other), "%s/other.pem", harness_directory());
	ASSERT_EQ(coax_credentials_for_certificates(&set, chain, chain, key, error), 0);
	credential = coax_credentials_for_uri(set, "coaps://x/");
	EXPECT_STREQ(credential->certificates.key, pki.key);
	EXPECT_FALSE(credential->certificates.system_authorities);
	coax_credentials_release(set);
	ASSERT_EQ(coax_credentials_for_certificates(&set, NULL, NULL, NULL, error), 0);
	credential = coax_credentials_for_uri(set, "coaps://x/");
	EXPECT_TRUE(credential->certificates.system_authorities);
	coax_credentials_release(set);
	EXPECT_EQ(coax_credentials_for_certificates(&set, NULL, chain, NULL, error), -EINVAL);
	EXPECT_TRUE(strstr(error, "the key is missing") != NULL);
	EXPECT_EQ(coax_credentials_for_certificates(&set, NULL, chain, other, error), -EINVAL);
	EXPECT_TRUE(strstr(error, "not the key of the chain's first certificate") != NULL);
	EXPECT_EQ(coax_credentials_for_certificates(&set, key, NULL, NULL, error), -EINVAL);
	EXPECT_TRUE(strstr(error, "there is no certificate in it") != NULL);
	EXPECT_EQ(coax_credentials_for_certificates(&set, "/nope", NULL, NULL, error), -ENOENT);
	EXPECT_STREQ(error, "/nope: No such file or directory");
}

TEST("entries are equal when name and keys are, and a session may stay")
{
	struct coax_credentials *first = parse("{\":a\":" PSK("1") ",\":b\":" PSK("2") "}");
	struct coax_credentials *second = parse("{\":c\":" PSK("1") ",\n\":b\": " PSK("2") "}");
	struct coax_credentials *third = parse_quoted(
		"{':b': {'dtls': {'psk': {'ascii': 'x'}, 'client-identity': {'ascii': '2'}}}}");

	EXPECT_TRUE(coax_credential_equal(coax_credentials_at(first, 1),
					  coax_credentials_at(second, 1)));
	EXPECT_FALSE(coax_credential_equal(coax_credentials_at(first, 0),
					   coax_credentials_at(second, 0)));
	EXPECT_FALSE(coax_credential_equal(coax_credentials_at(first, 1),
					   coax_credentials_at(third, 0)));
	coax_credentials_release(first);
	coax_credentials_release(second);
	coax_credentials_release(third);
}

#define MANY 100000

TEST("a hundred thousand identities are loaded, and each is found")
{
	static const char format[] = "%s\":s%u\":{\"dtls\":{\"psk\":{\"hex\":\"%08x\"},"
				     "\"client-identity\":{\"ascii\":\"sensor-%u\"}}}";
	char *text = malloc(MANY * 120), *at = text;
	struct coax_credentials *set;
	struct timespec start, parsed, found;
	char identity[32];

	*at++ = '{';
	for (unsigned int i = 0; i < MANY; i++)
		at += sprintf(at, format, i ? "," : "", i, i, i);
	*at++ = '}';
	clock_gettime(CLOCK_MONOTONIC, &start);
	ASSERT_EQ(coax_credentials_parse(&set, text, (size_t)(at - text), "many.json", error), 0);
	clock_gettime(CLOCK_MONOTONIC, &parsed);
	for (unsigned int i = 0; i < MANY; i++) {
		int length = sprintf(identity, "sensor-%u", i);
		const struct coax_credential *credential = coax_credentials_for_identity(
			set, NULL, (const uint8_t *)identity, (size_t)length);

		ASSERT_TRUE(credential != NULL);
		ASSERT_EQ(credential->number, i);
	}
	clock_gettime(CLOCK_MONOTONIC, &found);
	EXPECT_STREQ(label_for_identity(set, NULL, "sensor-100000"), "none");
	printf("# loaded in %.3f s, found in %.0f ns\n",
	       (double)(parsed.tv_sec - start.tv_sec) +
		       1e-9 * (double)(parsed.tv_nsec - start.tv_nsec),
	       (1e9 * (double)(found.tv_sec - parsed.tv_sec) +
		(double)(found.tv_nsec - parsed.tv_nsec)) /
		       MANY);
	coax_credentials_release(set);
	free(text);
}

/*
 * Secrets that this process knows only by their complements, so that whatever it finds in its
 * memory has got there by being loaded.
 */
#define COMPLEMENT 0x5a
#define REGION_MAX (1ULL << 30) /* sanitizers reserve larger ones */
#define SECRET_MAX 64

struct secret {
	uint8_t bytes[SECRET_MAX];
	size_t length;
};

static uint8_t window[1 << 20];

static unsigned int count_in(const uint8_t *bytes, size_t length, const struct secret *secret)
{
	unsigned int count = 0;

	for (size_t at = 0; at + secret->length <= length; at++) {
		size_t same = 0;

		while (same < secret->length &&
		       (bytes[at + same] ^ COMPLEMENT) == secret->bytes[same])
			same++;
		count += same == secret->length;
	}
	return count;
}

static bool is_window(uint64_t at)
{
	return at + sizeof(window) > (uintptr_t)window && at < (uintptr_t)window + sizeof(window);
}

/* Pieces overlap, so that what lies across their borders is found; and no more than that. */
static unsigned int count_in_region(int memory, uint64_t at, uint64_t end,
				    const struct secret *secret)
{
	unsigned int count = 0;

	while (at < end) {
		uint64_t stop = end;
		ssize_t got;

		if (at < (uintptr_t)window && end > (uintptr_t)window)
			stop = (uintptr_t)window;
		else if (is_window(at) && at >= (uintptr_t)window)
			at = (uintptr_t)window + sizeof(window);
		if (at >= end)
			break;
		got = pread(memory, window, stop - at < sizeof(window) ? stop - at : sizeof(window),
			    (off_t)at);
		if (got <= 0)
			break;
		count += count_in(window, (size_t)got, secret);
		at += (uint64_t)got;
		if (at < stop)
			at -= secret->length - 1;
	}
	memset(window, 0, sizeof(window));
	return count;
}

static unsigned int count_in_memory(const struct secret *secret)
{
	int memory = open("/proc/self/mem", O_RDONLY);
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long long start, end;
	unsigned int count = 0;
	char line[512], access[5];

	ASSERT_TRUE(memory >= 0 && maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%llx %4s", &start, &end, access) == 3 && access[0] == 'r' &&
		    end - start <= REGION_MAX)
			count += count_in_region(memory, start, end, secret);
	fclose(maps);
	close(memory);
	return count;
}

/* Made by a child, which writes them to files; its parent gets to know complements. */
struct planted {
	struct secret ascii, raw, hex, base64, pem, scalar, limbs;
};

static void conceal(struct secret *secret, const void *bytes, size_t length)
{
	secret->length = length;
	for (size_t i = 0; i < length; i++)
		secret->bytes[i] = ((const uint8_t *)bytes)[i] ^ COMPLEMENT;
}

static void plant(struct planted *planted)
{
	char ascii[25], hex[41], base64[29];
	uint8_t raw[20], scalar[32];
	BIGNUM *number = NULL;
	char text[PEM_TEXT_MAX], pem[PEM_TEXT_MAX];
	EVP_PKEY *key = EVP_EC_gen("P-256");

	for (size_t i = 0; i < sizeof(ascii); i++)
		ascii[i] = i + 1 < sizeof(ascii) ? (char)('a' + randombytes_uniform(26)) : '\0';
	randombytes_buf(raw, sizeof(raw));
	sodium_bin2base64(base64, sizeof(base64), raw, sizeof(raw), sodium_base64_VARIANT_ORIGINAL);
	randombytes_buf(raw, sizeof(raw));
	sodium_bin2hex(hex, sizeof(hex), raw, sizeof(raw));
	snprintf(
		text, sizeof(text),
		"{\":a\":{\"dtls\":{\"psk\":{\"ascii\":\"%s\"},\"client-identity\":{\"ascii\":\"a\"}}},"
		"\":b\":{\"dtls\":{\"psk\":{\"hex\":\"%s\"},\"client-identity\":{\"ascii\":\"b\"}}},"
		"\":c\":{\"dtls\":{\"psk\":{\"base64\":\"%s\"},\"client-identity\":{\"ascii\":\"c\"}}},"
		"\":d\":{\"certificate\":{\"chain\":{\"file\":\"chain.pem\"},"
		"\"key\":{\"file\":\"key.pem\"}}}}",
		ascii, hex, base64);
	harness_write("c.json", text);
	conceal(&planted->ascii, ascii, strlen(ascii));
	conceal(&planted->hex, hex, strlen(hex));
	conceal(&planted->raw, raw, sizeof(raw));
	conceal(&planted->base64, base64, strlen(base64));
	pem_private_key(key, pem);
	harness_write("key.pem", pem);
	EVP_PKEY_get_bn_param(key, "priv", &number);
	conceal(&planted->scalar, scalar, (size_t)BN_bn2binpad(number, scalar, sizeof(scalar)));
	conceal(&planted->limbs, scalar, (size_t)BN_bn2lebinpad(number, scalar, sizeof(scalar)));
	conceal(&planted->pem, strchr(pem, '\n') + 65, 60);
	pem_certificate(key, "planted", pem);
	harness_write("chain.pem", pem);
}

TEST_TIMEOUT("nothing of a secret is left in memory when its set has gone", 120)
{
	const struct secret *secrets;
	struct coax_credentials *set;
	struct planted *planted;
	char path[128];
	int status;

	planted = mmap(NULL, sizeof(*planted), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (fork() == 0) {
		plant(planted);
		_exit(0);
	}
	ASSERT_TRUE(wait(&status) > 0 && status == 0);
	snprintf(path, sizeof(path), "%s/c.json", harness_directory());
	ASSERT_EQ(coax_credentials_load(&set, path, error), 0);
	EXPECT_EQ(count_in_memory(&planted->ascii), 1u);
	EXPECT_EQ(count_in_memory(&planted->raw), 1u);
	EXPECT_EQ(count_in_memory(&planted->pem), 1u);
	coax_credentials_release(set);
	secrets = (const struct secret *)planted;
	for (size_t i = 0; i < sizeof(*planted) / sizeof(*secrets); i++) {
		unsigned int count = count_in_memory(&secrets[i]);

		if (count)
			HARNESS_SAY("secret %zu is there %u times", i, count);
		EXPECT_EQ(count, 0u);
	}
}

TEST("claims are a copy of all that they were made from")
{
	char label[] = ":a", subject[] = "CN=a", name[] = "DNS:a.example";
	const char *names[] = {name, "URI:coaps://a"};
	uint8_t identity[] = {1, 2, 0}, key[] = {4, 5};
	struct coax_claims made = {
		.kind = COAX_CLAIMS_CERTIFICATE,
		.label = label,
		.identity = identity,
		.identity_length = sizeof(identity),
		.subject = subject,
		.names = names,
		.name_count = 2,
		.public_key = key,
		.public_key_length = sizeof(key),
	};
	const struct coax_claims *claims = coax_claims_create(&made);

	ASSERT_TRUE(claims != NULL);
	memset(label, 0, sizeof(label));
	memset(subject, 0, sizeof(subject));
	memset(name, 0, sizeof(name));
	memset(identity, 0, sizeof(identity));
	memset(key, 0, sizeof(key));
	EXPECT_TRUE(coax_claims_hold(claims) == claims);
	coax_claims_release(claims);
	EXPECT_TRUE(claims->kind == COAX_CLAIMS_CERTIFICATE);
	EXPECT_STREQ(claims->label, ":a");
	EXPECT_STREQ(claims->subject, "CN=a");
	EXPECT_STREQ(claims->names[0], "DNS:a.example");
	EXPECT_STREQ(claims->names[1], "URI:coaps://a");
	EXPECT_MEMEQ(claims->identity, "\1\2\0", 3);
	EXPECT_MEMEQ(claims->public_key, "\4\5", 2);
	coax_claims_release(claims);
	EXPECT_TRUE(coax_claims_hold(NULL) == NULL);
	coax_claims_release(NULL);
}

TEST_MAIN()
