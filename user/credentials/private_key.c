// SPDX-License-Identifier: BSD-2-Clause
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>
#include <sodium.h>
#include "credentials/private_key.h"

#define DER_MAX	   1024 /* of a key with its public half and its parameters by name */
#define SCALAR_MAX 48
#define POINT_MAX  (1 + 2 * SCALAR_MAX)

/* Tags of DER (X.690 section 8). */
enum {
	TAG_INTEGER = 0x02,
	TAG_OCTETS = 0x04,
	TAG_OID = 0x06,
	TAG_SEQUENCE = 0x30,
	TAG_PARAMETERS = 0xa0, /* [0] of RFC 5915 section 3 */
};

struct der {
	const uint8_t *at;
	size_t length;
};

struct curve {
	int nid;
	const char *name;
	size_t scalar_length;
	uint8_t oid_length;
	uint8_t oid[8];
};

static const uint8_t ec_public_key[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};

static const struct curve curves[] = {
	{NID_X9_62_prime256v1,
	 SN_X9_62_prime256v1,
	 32,
	 8,
	 {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}},
	{NID_secp384r1, SN_secp384r1, 48, 5, {0x2b, 0x81, 0x04, 0x00, 0x22}},
};

/* Take the next element off, which has to have this tag. */
static bool take(struct der *from, uint8_t tag, struct der *element)
{
	size_t head = 2, length;

	if (from->length < 2 || from->at[0] != tag)
		return false;
	length = from->at[1];
	if (length & 0x80) {
		size_t digits = length & 0x7f;

		if (digits < 1 || digits > 2 || from->length < 2 + digits)
			return false;
		length = from->at[2];
		if (digits == 2)
			length = length << 8 | from->at[3];
		head += digits;
	}
	if (from->length - head < length)
		return false;
	element->at = from->at + head;
	element->length = length;
	from->at += head + length;
	from->length -= head + length;
	return true;
}

static const struct curve *find_curve(const struct der *oid)
{
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		if (oid->length == curves[i].oid_length &&
		    memcmp(oid->at, curves[i].oid, oid->length) == 0)
			return &curves[i];
	return NULL;
}

static bool take_version(struct der *from, uint8_t version)
{
	struct der number;

	return take(from, TAG_INTEGER, &number) && number.length == 1 && number.at[0] == version;
}

/* ECPrivateKey (RFC 5915 section 3). The curve may have been said around it. */
static bool read_ec(struct der der, const struct curve **curve, struct der *scalar)
{
	struct der key, parameters, oid;

	if (!take(&der, TAG_SEQUENCE, &key) || !take_version(&key, 1) ||
	    !take(&key, TAG_OCTETS, scalar))
		return false;
	if (take(&key, TAG_PARAMETERS, &parameters)) {
		if (!take(&parameters, TAG_OID, &oid))
			return false;
		*curve = find_curve(&oid);
	}
	return *curve && scalar->length && scalar->length <= (*curve)->scalar_length;
}

/* OneAsymmetricKey (RFC 5958 section 2). */
static bool read_wrapped(struct der der, const struct curve **curve, struct der *scalar)
{
	struct der key, algorithm, oid, inner;

	if (!take(&der, TAG_SEQUENCE, &key) || !take_version(&key, 0) ||
	    !take(&key, TAG_SEQUENCE, &algorithm) || !take(&algorithm, TAG_OID, &oid) ||
	    oid.length != sizeof(ec_public_key) ||
	    memcmp(oid.at, ec_public_key, sizeof(ec_public_key)) != 0 ||
	    !take(&algorithm, TAG_OID, &oid) || !take(&key, TAG_OCTETS, &inner))
		return false;
	*curve = find_curve(&oid);
	return *curve && read_ec(inner, curve, scalar);
}

/* The public half. Returns its length, or 0. */
static size_t multiply(const struct curve *curve, const BIGNUM *scalar, uint8_t point[POINT_MAX])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(curve->nid);
	EC_POINT *product = group ? EC_POINT_new(group) : NULL;
	size_t length = 0;

	if (product && EC_POINT_mul(group, product, scalar, NULL, NULL, NULL) == 1)
		length = EC_POINT_point2oct(group, product, POINT_CONVERSION_UNCOMPRESSED, point,
					    POINT_MAX, NULL);
	EC_POINT_free(product);
	EC_GROUP_free(group);
	return length;
}

static EVP_PKEY *import(OSSL_PARAM *params)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;

	if (context && EVP_PKEY_fromdata_init(context) == 1)
		(void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(context);
	return key;
}

static EVP_PKEY *make_key(const struct curve *curve, const struct der *scalar)
{
	BIGNUM *number = BN_bin2bn(scalar->at, (int)scalar->length, NULL);
	uint8_t native[SCALAR_MAX], point[POINT_MAX];
	OSSL_PARAM params[4];
	EVP_PKEY *key = NULL;
	size_t length;

	if (!number)
		return NULL;
	BN_set_flags(number, BN_FLG_CONSTTIME);
	length = multiply(curve, number, point);
	if (length && BN_bn2nativepad(number, native, (int)curve->scalar_length) > 0) {
		params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
							     (char *)curve->name, 0);
		params[1] =
			OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, length);
		params[2] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native,
						    curve->scalar_length);
		params[3] = OSSL_PARAM_construct_end();
		key = import(params);
	}
	OPENSSL_cleanse(native, sizeof(native));
	BN_clear_free(number);
	ERR_clear_error();
	return key;
}

/* What stands between the lines that name it. Returns its length, or 0: there is no such thing. */
static size_t decode(const char *text, const char *begin, const char *end, uint8_t der[DER_MAX])
{
	const char *body = strstr(text, begin), *stop, *rest;
	size_t length;

	if (!body)
		return 0;
	body += strlen(begin);
	stop = strstr(body, end);
	if (!stop ||
	    sodium_base642bin(der, DER_MAX, body, (size_t)(stop - body), " \t\r\n", &length, &rest,
			      sodium_base64_VARIANT_ORIGINAL) ||
	    rest != stop)
		return 0;
	return length;
}

EVP_PKEY *coax_private_key_read(const char *text)
{
	const struct curve *curve = NULL;
	struct der der, scalar;
	uint8_t bytes[DER_MAX];
	EVP_PKEY *key = NULL;
	bool found;

	der.at = bytes;
	der.length =
		decode(text, "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", bytes);
	if (der.length) {
		found = read_wrapped(der, &curve, &scalar);
	} else {
		der.length = decode(text, "-----BEGIN EC PRIVATE KEY-----",
				    "-----END EC PRIVATE KEY-----", bytes);
		found = read_ec(der, &curve, &scalar);
	}
	if (found)
		key = make_key(curve, &scalar);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return key;
}
