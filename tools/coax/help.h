/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the help texts of several commands say.
 */
#ifndef COAX_HELP_H
#define COAX_HELP_H

#define HELP_REQUEST                                                                             \
	"      --non              send the request as non-confirmable\n"                         \
	"      --block-size SIZE  bodies go in blocks of at most SIZE bytes: 16, 32, 64, 128,\n" \
	"                         256, 512 or 1024 (RFC 7959)\n"                                 \
	"      --option N=VALUE   send this option too: N is its number or name (Hop-Limit=8,\n" \
	"                         65001=text, 65001=0x0a1b). May be repeated. With Block1 or\n"  \
	"                         Block2, that one block is all that is sent or shown\n"         \
	"  -t, --timeout SECONDS  give up after so long, fractions allowed; without it after\n"  \
	"                         93 s without a sign of life (RFC 7252 section 4.8.2)\n"
#define HELP_SECURITY                                                                                 \
	"      --credentials FILE keys and certificates for coaps, in aiocoap's format\n"             \
	"  -u, --user IDENTITY    a pre-shared key's identity, and\n"                                 \
	"  -k, --psk KEY          the key, as text or as hex digits behind 0x\n"                      \
	"      --ca FILE          trust the authorities in this file (PEM) instead of the system's\n" \
	"      --cert FILE        show this certificate, with the chain behind it (PEM), and\n"       \
	"      --key FILE         have its private key (PEM)\n"
#define HELP_VERBOSE                                                                            \
	"  -v, --verbose          show the messages on stderr, of coaps the handshake's too:\n" \
	"                         > is sent, < received\n"
#define HELP_END                               \
	"  -h, --help             this text\n" \
	"\n"
#define HELP_FAILURE                                                           \
	"A failure is said on stderr, with the server's diagnostic message.\n" \
	"\n"
#define HELP_SHOWN                                                                              \
	"On a terminal it is shown by what it is: text as it is, link-format in lines, JSON\n"  \
	"indented, CBOR in diagnostic notation (RFC 8949 section 8), all else as a hex dump;\n" \
	"elsewhere byte by byte.\n"
#define HELP_ACCEPT "      --accept FORMAT    ask for a content format (name or number)\n"

#endif
