/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The CoAP numbers that both halves speak: message header (RFC 7252 section 3), codes
 * (section 12.1) and the protocol's time constants (section 4.8). No types, no functions, no
 * includes: the kernel half includes it as it stands.
 */
#ifndef COAX_WIRE_H
#define COAX_WIRE_H

#define COAX_VERSION 1

/* RFC 7252 section 3: 2 bits version, 2 bits type, 4 bits token length; code; message ID. */
#define COAX_HEADER_SIZE 4
#define COAX_TOKEN_MAX	 8
/* RFC 8974: tokens may be longer; of requests with such, a Context takes up to so many bytes. */
#define COAX_TOKEN_TAKEN_MAX 128
#define COAX_PAYLOAD_MARKER  0xff

#define COAX_PORT	     5683
#define COAX_PORT_SECURE     5684

/* The upper bounds that RFC 7252 section 4.6 recommends where nothing is known of the path. */
#define COAX_MESSAGE_MAX 1152
#define COAX_PAYLOAD_MAX 1024

enum coax_type {
	COAX_TYPE_CON = 0,
	COAX_TYPE_NON = 1,
	COAX_TYPE_ACK = 2,
	COAX_TYPE_RST = 3,
};

#define COAX_CODE(class, detail) (((class) << 5) | (detail))
#define COAX_CODE_CLASS(code)	 ((code) >> 5)
#define COAX_CODE_DETAIL(code)	 ((code)&0x1f)

enum coax_code {
	COAX_EMPTY = COAX_CODE(0, 0),

	/* Requests: RFC 7252 section 5.8, RFC 8132. */
	COAX_GET = COAX_CODE(0, 1),
	COAX_POST = COAX_CODE(0, 2),
	COAX_PUT = COAX_CODE(0, 3),
	COAX_DELETE = COAX_CODE(0, 4),
	COAX_FETCH = COAX_CODE(0, 5),
	COAX_PATCH = COAX_CODE(0, 6),
	COAX_IPATCH = COAX_CODE(0, 7),

	/* Responses: RFC 7252 section 5.9, RFC 7959, RFC 8132, RFC 8516, RFC 8768. */
	COAX_CREATED = COAX_CODE(2, 1),
	COAX_DELETED = COAX_CODE(2, 2),
	COAX_VALID = COAX_CODE(2, 3),
	COAX_CHANGED = COAX_CODE(2, 4),
	COAX_CONTENT = COAX_CODE(2, 5),
	COAX_CONTINUE = COAX_CODE(2, 31),
	COAX_BAD_REQUEST = COAX_CODE(4, 0),
	COAX_UNAUTHORIZED = COAX_CODE(4, 1),
	COAX_BAD_OPTION = COAX_CODE(4, 2),
	COAX_FORBIDDEN = COAX_CODE(4, 3),
	COAX_NOT_FOUND = COAX_CODE(4, 4),
	COAX_METHOD_NOT_ALLOWED = COAX_CODE(4, 5),
	COAX_NOT_ACCEPTABLE = COAX_CODE(4, 6),
	COAX_REQUEST_ENTITY_INCOMPLETE = COAX_CODE(4, 8),
	COAX_CONFLICT = COAX_CODE(4, 9),
	COAX_PRECONDITION_FAILED = COAX_CODE(4, 12),
	COAX_REQUEST_ENTITY_TOO_LARGE = COAX_CODE(4, 13),
	COAX_UNSUPPORTED_CONTENT_FORMAT = COAX_CODE(4, 15),
	COAX_UNPROCESSABLE_ENTITY = COAX_CODE(4, 22),
	COAX_TOO_MANY_REQUESTS = COAX_CODE(4, 29),
	COAX_INTERNAL_SERVER_ERROR = COAX_CODE(5, 0),
	COAX_NOT_IMPLEMENTED = COAX_CODE(5, 1),
	COAX_BAD_GATEWAY = COAX_CODE(5, 2),
	COAX_SERVICE_UNAVAILABLE = COAX_CODE(5, 3),
	COAX_GATEWAY_TIMEOUT = COAX_CODE(5, 4),
	COAX_PROXYING_NOT_SUPPORTED = COAX_CODE(5, 5),
	COAX_HOP_LIMIT_REACHED = COAX_CODE(5, 8),
};

/* RFC 7252 section 4.8, in milliseconds. */
#define COAX_ACK_TIMEOUT_MS	  2000
#define COAX_ACK_RANDOM_PERCENT	  150
#define COAX_MAX_RETRANSMIT	  4
#define COAX_EXCHANGE_LIFETIME_MS 247000
#define COAX_NON_LIFETIME_MS	  145000
#define COAX_MAX_TRANSMIT_WAIT_MS 93000
#define COAX_DEFAULT_LEISURE_MS	  5000

#endif
