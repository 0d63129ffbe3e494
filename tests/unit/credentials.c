// SPDX-License-Identifier: BSD-2-Clause
/*
 * Credentials: what is found by what.
 */
#include "../harness.h"
#include <coax/credentials.h>
#include "credentials/claims.h"
#include "credentials/credentials.h"

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
	coax_claims_release(NULL);
}

TEST_MAIN()
