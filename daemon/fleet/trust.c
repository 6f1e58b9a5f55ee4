#include "fleet/trust.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define READ_BYTES 16384

static X509_STORE *authorities; /* of this system */

/* ---- of this system ------------------------------------------------------------------------- */

/* "5ed36f99.0": a hash and a number. */
static bool is_hashed(const char *name)
{
	return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' &&
	       name[9 + strspn(name + 9, "0123456789")] == 0;
}

static void load_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char file[1024];

	while (directory && (entry = readdir(directory))) {
		if (!is_hashed(entry->d_name))
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		X509_STORE_load_locations(authorities, file, NULL);
	}
	if (directory)
		closedir(directory);
}

void trust_prepare(bool with_authorities)
{
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, NULL);
	/* Make OpenSSL load the parts that it loads at their first use. */
	SSL_CTX_free(SSL_CTX_new(TLS_client_method()));
	if (with_authorities)
		authorities = X509_STORE_new();
	if (authorities) {
		X509_STORE_load_locations(authorities, X509_get_default_cert_file(), NULL);
		load_directory(X509_get_default_cert_dir());
	}
	ERR_clear_error();
}

/* ---- files ---------------------------------------------------------------------------------- */

/* Reads a file. NULL: it cannot be read, or is too large. */
static BIO *read_file(int fd)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char bytes[READ_BYTES];
	size_t length = 0;
	ssize_t n = 0;

	while (bio && length <= TRUST_FILE_MAX && (n = read(fd, bytes, sizeof(bytes))) > 0) {
		length += (size_t)n;
		if (BIO_write(bio, bytes, (int)n) != n)
			n = -1;
	}
	if (n == 0)
		return bio;
	BIO_free(bio);
	return NULL;
}

/* Returns how many certificates were added. */
static int add_authorities(X509_STORE *store, BIO *bio)
{
	X509 *certificate;
	int count = 0;

	while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL))) {
		count += X509_STORE_add_cert(store, certificate) == 1;
		X509_free(certificate);
	}
	return count;
}

static bool load_authorities(SSL_CTX *context, int fd)
{
	BIO *bio;
	int count = 0;

	if (fd < 0 && authorities)
		SSL_CTX_set1_cert_store(context, authorities);
	if (fd < 0)
		return authorities != NULL;
	bio = read_file(fd);
	if (bio)
		count = add_authorities(SSL_CTX_get_cert_store(context), bio);
	BIO_free(bio);
	return count > 0;
}

/* Uses the certificate of this host, and those that follow it. */
static bool use_chain(SSL_CTX *context, BIO *bio)
{
	X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	bool is_ok = certificate && SSL_CTX_use_certificate(context, certificate) == 1;

	X509_free(certificate);
	while (is_ok && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		if (SSL_CTX_add0_chain_cert(context, certificate) != 1) {
			X509_free(certificate);
			is_ok = false;
		}
	return is_ok;
}

/* Called if the key has a passphrase: do not ask for it. */
static int no_passphrase(char *buffer, int size, int writes, void *context)
{
	return -1;
}

static bool use_key(SSL_CTX *context, BIO *bio)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	bool is_ok = key && SSL_CTX_use_PrivateKey(context, key) == 1;

	EVP_PKEY_free(key);
	return is_ok;
}

static bool use_identity(SSL_CTX *context, const struct trust_files *files)
{
	BIO *cert = read_file(files->cert), *key = read_file(files->key);
	bool is_ok = cert && key && use_chain(context, cert) && use_key(context, key);

	BIO_free(cert);
	BIO_free(key);
	return is_ok;
}

int trust_context(const struct trust_files *files, SSL_CTX **ret_context, char *why)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int r = 0;

	if (!context)
		return -ENOMEM;
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(context,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (!load_authorities(context, files->ca)) {
		snprintf(why, TRUST_WHY, "no certificate of an authority can be read from %s",
			 files->ca < 0 ? "this system: set fleet.tls_ca" : "fleet.tls_ca");
		r = -EINVAL;
	} else if (files->cert >= 0 && !use_identity(context, files)) {
		snprintf(why, TRUST_WHY,
			 "fleet.tls_cert and tls_key have no certificate and its key");
		r = -EINVAL;
	}
	ERR_clear_error();
	if (r < 0)
		SSL_CTX_free(context);
	else
		*ret_context = context;
	return r;
}
