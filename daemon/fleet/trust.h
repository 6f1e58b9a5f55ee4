/* Which certificates a connection with TLS accepts, and which one it presents. The process that
 * does TLS opens no file itself: penstockd opens the PEM files and passes their descriptors. */
#ifndef PENSTOCK_FLEET_TRUST_H
#define PENSTOCK_FLEET_TRUST_H

#include <openssl/ssl.h>
#include <stdbool.h>

#define TRUST_FILE_MAX (4u << 20) /* octets of one file */
#define TRUST_WHY 200

/* Descriptors of PEM files; -1: none. They stay the caller's. */
struct trust_files {
	int ca, cert, key;
};

/* Reads the files of OpenSSL and, with `with_authorities`, the authorities of this system, while
 * files can still be opened. A missing file is no error. */
void trust_prepare(bool with_authorities);
/* The context of a client. Without a `ca` it trusts the authorities of this system. 0, or -errno
 * with a clause in `why` (TRUST_WHY). The caller frees it with SSL_CTX_free(). */
int trust_context(const struct trust_files *files, SSL_CTX **ret_context, char *why);

#endif
