/* Keys: canonical hashes of a column, and the order of hashes. */

#include "core.h"

/* -- XXH3-64 of up to 240 bytes, from the specification of xxHash ---------------------------------------------------- */

static const unsigned char SECRET[136] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde,
    0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79,
    0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46,
    0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb,
    0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2,
    0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c,
    0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59,
    0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3,
};
static const uint64_t P1 = 0x9E3779B185EBCA87ULL, P2 = 0xC2B2AE3D27D4EB4FULL, P3 = 0x165667B19E3779F9ULL;

static inline uint64_t
read64(const unsigned char *at)
{
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

static inline uint32_t
read32(const unsigned char *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static inline uint64_t
rotated(uint64_t value, int by)
{
    return value << by | value >> (64 - by);
}

static inline uint32_t
swapped32(uint32_t value)
{
    return value << 24 | (value & 0xff00) << 8 | (value >> 8 & 0xff00) | value >> 24;
}

static inline uint64_t
swapped64(uint64_t value)
{
    return (uint64_t)swapped32((uint32_t)value) << 32 | swapped32((uint32_t)(value >> 32));
}

/* Both halves of the product of 128 bits, by exclusive or. */
static inline uint64_t
folded(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0, cross = a1 * b0 + (low >> 32), middle = a0 * b1 + (uint32_t)cross;
    return (middle << 32 | (uint32_t)low) ^ (a1 * b1 + (cross >> 32) + (middle >> 32));
#endif
}

static inline uint64_t
avalanche(uint64_t hash)
{
    hash ^= hash >> 37;
    hash *= 0x165667919E3779F9ULL;
    return hash ^ hash >> 32;
}

static inline uint64_t
avalanche64(uint64_t hash)
{
    hash ^= hash >> 33;
    hash *= P2;
    hash ^= hash >> 29;
    hash *= P3;
    return hash ^ hash >> 32;
}

static inline uint64_t
mixed16(const unsigned char *data, int secret, uint64_t seed)
{
    return folded(read64(data) ^ (read64(SECRET + secret) + seed), read64(data + 8) ^ (read64(SECRET + secret + 8) - seed));
}

static inline uint64_t
hash_to_16(const unsigned char *data, size_t size, uint64_t seed)
{
    if (size > 8) {
        uint64_t low = read64(data) ^ ((read64(SECRET + 24) ^ read64(SECRET + 32)) + seed);
        uint64_t high = read64(data + size - 8) ^ ((read64(SECRET + 40) ^ read64(SECRET + 48)) - seed);
        return avalanche(size + swapped64(low) + high + folded(low, high));
    }
    if (size >= 4) {
        seed ^= (uint64_t)swapped32((uint32_t)seed) << 32;
        uint64_t value = read32(data + size - 4) + ((uint64_t)read32(data) << 32);
        uint64_t hash = value ^ ((read64(SECRET + 8) ^ read64(SECRET + 16)) - seed);
        hash ^= rotated(hash, 49) ^ rotated(hash, 24);
        hash *= 0x9FB21C651E98DF25ULL;
        hash ^= (hash >> 35) + size;
        hash *= 0x9FB21C651E98DF25ULL;
        return hash ^ hash >> 28;
    }
    if (size) {
        uint32_t bytes = (uint32_t)data[0] << 16 | (uint32_t)data[size >> 1] << 24 | data[size - 1] | (uint32_t)size << 8;
        return avalanche64(bytes ^ ((uint64_t)(read32(SECRET) ^ read32(SECRET + 4)) + seed));
    }
    return avalanche64(seed ^ read64(SECRET + 56) ^ read64(SECRET + 64));
}

uint64_t
short_hash(const unsigned char *data, size_t size, uint64_t seed)
{
    if (size <= 16)
        return hash_to_16(data, size, seed);
    uint64_t hash = size * P1;
    if (size <= 128) {
        for (int i = (int)(size - 1) / 32; i >= 0; i--) {
            hash += mixed16(data + 16 * i, 32 * i, seed);
            hash += mixed16(data + size - 16 * (i + 1), 32 * i + 16, seed);
        }
        return avalanche(hash);
    }
    for (int i = 0; i < 8; i++)
        hash += mixed16(data + 16 * i, 16 * i, seed);
    hash = avalanche(hash);
    for (int i = 8; i < (int)size / 16; i++)
        hash += mixed16(data + 16 * i, 16 * (i - 8) + 3, seed);
    return avalanche(hash + mixed16(data + size - 16, 136 - 17, seed));
}

/* -- hashes of keys ---------------------------------------------------------------------------------------------------- */

/* The hash of a text that is longer than SHORT bytes in UTF-8, by the package `xxhash`; 0, and -1 on an error. */
static int
long_hash(PyObject *text, uint64_t seed, uint64_t *hash)
{
    PyObject *package = PyImport_ImportModule("xxhash");
    PyObject *data = package == NULL ? NULL : PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    PyObject *function = data == NULL ? NULL : attribute(package, "xxh3_64_intdigest");
    PyObject *number = function == NULL ? NULL : PyObject_CallFunction(function, "OK", data, (unsigned long long)seed);
    Py_XDECREF(function);
    Py_XDECREF(package);
    Py_XDECREF(data);
    if (number == NULL)
        return -1;
    *hash = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    return PyErr_Occurred() ? -1 : 0;
}

/* The hash of an exact text's UTF-8, or of the canonical bytes of an exact int: 1; 0 for other keys, -1 on an error. */
static int
key_hash(PyObject *key, uint64_t seed, uint64_t *hash)
{
    unsigned char bytes[SHORT];
    if (PyLong_CheckExact(key)) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(key, &overflow);
        if (overflow)
            return 0;
        bytes[0] = 0xff;
        bytes[1] = 'i';
        memcpy(bytes + 2, &number, 8);
        *hash = short_hash(bytes, 10, seed);
        return 1;
    }
    if (!is_plain_text(key))
        return PyErr_Occurred() ? -1 : 0;
    int surrogates = 0;
    Py_ssize_t size = utf8_size(key, &surrogates);
    if (size > SHORT)
        return long_hash(key, seed, hash) < 0 ? -1 : 1;
    if (PyUnicode_IS_ASCII(key))
        *hash = short_hash(PyUnicode_DATA(key), (size_t)size, seed);
    else {
        put_utf8(key, (char *)bytes);
        *hash = short_hash(bytes, (size_t)size, seed);
    }
    return 1;
}

/* Write the hashes of `keys` to `out`: 1; 0 if they are neither all texts nor all ints of 64 bits, -1 on an error. */
static int
put_hashes(PyObject *keys, Py_ssize_t count, uint64_t seed, char *out)
{
    PyTypeObject *cls = NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (i >= PySequence_Fast_GET_SIZE(keys))
            return 0;
        PyObject *key = Py_NewRef(PySequence_Fast_GET_ITEM(keys, i));
        uint64_t hash = 0;
        int fine = cls == NULL || cls == Py_TYPE(key) ? key_hash(key, seed, &hash) : 0;
        cls = Py_TYPE(key);
        Py_DECREF(key);
        if (fine <= 0)
            return fine;
        memcpy(out + 8 * i, &hash, 8);
    }
    return 1;
}

/* hash_plain(keys, seed): XXH3-64 of the canonical bytes of keys that are all texts, or all ints of 64 bits, end to
   end; None for others. */
static PyObject *
hash_plain(PyObject *module, PyObject *args)
{
    PyObject *keys;
    unsigned long long seed;
    if (!PyArg_ParseTuple(args, "OK:hash_plain", &keys, &seed))
        return NULL;
    keys = as_sequence(keys);
    if (keys == NULL)
        return NULL;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(keys);
    PyObject *hashes = count > PY_SSIZE_T_MAX / 8 ? PyErr_NoMemory() : PyBytes_FromStringAndSize(NULL, count * 8);
    int fine = -1;
    BEGIN_LOCKED(keys);
    if (hashes != NULL)
        fine = put_hashes(keys, count, seed, PyBytes_AS_STRING(hashes));
    END_LOCKED;
    Py_DECREF(keys);
    if (fine > 0)
        return hashes;
    Py_XDECREF(hashes);
    if (fine < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* -- order --------------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t hash, place;
} Entry;

enum { DIGIT = 12, BINS = 1 << DIGIT, SIMPLE = 24 };

/* Sort a few entries by hash, equal ones as they stand. */
static void
insertion_sort(Entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        Entry entry = entries[i];
        size_t at = i;
        for (; at > 0 && entries[at - 1].hash > entry.hash; at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

/* Sort entries by the lowest `bits` of their hashes, equal ones as they stand: by digits from the highest on. `spare`
   has room for as many. Hashes spread evenly, so that a digit leaves few entries together; if it does not, each bit
   is looked at once all the same. */
static void
radix_sort(Entry *entries, Entry *spare, size_t count, int bits)
{
    size_t ends[BINS + 1], bins, mask;
    int shift;
    for (;; bits = shift) { /* past the digits that are equal in all: recursion is deep only where entries part */
        if (count <= SIMPLE || bits <= 0) {
            insertion_sort(entries, bits > 0 ? count : 0);
            return;
        }
        int digit = 3;
        while (digit < DIGIT && count >> (digit + 3))
            digit++;
        digit = digit < bits ? digit : bits;
        shift = bits - digit;
        bins = (size_t)1 << digit;
        mask = bins - 1;
        memset(ends, 0, (bins + 1) * sizeof *ends);
        for (size_t i = 0; i < count; i++)
            ends[(entries[i].hash >> shift & mask) + 1]++;
        if (ends[(entries[0].hash >> shift & mask) + 1] < count)
            break;
    }
    for (size_t bin = 0; bin < bins; bin++)
        ends[bin + 1] += ends[bin];
    for (size_t i = 0; i < count; i++)
        spare[ends[entries[i].hash >> shift & mask]++] = entries[i];
    memcpy(entries, spare, count * sizeof *entries);
    for (size_t bin = 0, start = 0; bin < bins; start = ends[bin], bin++)
        if (ends[bin] - start > 1)
            radix_sort(entries + start, spare, ends[bin] - start, shift);
}

/* sort_hashes(hashes): unsigned numbers of 8 bytes in order, and the place where each stood, as 8 bytes; equal ones in
   the order of their places. */
static PyObject *
sort_hashes(PyObject *module, PyObject *hashes)
{
    Py_buffer data;
    if (PyObject_GetBuffer(hashes, &data, PyBUF_SIMPLE) < 0)
        return NULL;
    size_t count = (size_t)data.len / 8;
    PyObject *sorted = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count * 8);
    PyObject *places = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count * 8);
    Entry *entries = PyMem_New(Entry, 2 * count + 1);
    PyObject *result = NULL;
    if (sorted == NULL || places == NULL || entries == NULL) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        goto end;
    }
    Py_BEGIN_ALLOW_THREADS;
    for (size_t i = 0; i < count; i++)
        entries[i] = (Entry){read64((unsigned char *)data.buf + 8 * i), i};
    radix_sort(entries, entries + count, count, 64);
    for (size_t i = 0; i < count; i++) {
        memcpy(PyBytes_AS_STRING(sorted) + 8 * i, &entries[i].hash, 8);
        memcpy(PyBytes_AS_STRING(places) + 8 * i, &entries[i].place, 8);
    }
    Py_END_ALLOW_THREADS;
    result = PyTuple_Pack(2, sorted, places);
end:
    PyMem_Free(entries);
    Py_XDECREF(sorted);
    Py_XDECREF(places);
    PyBuffer_Release(&data);
    return result;
}

PyMethodDef keys_methods[] = {
    {"hash_plain", hash_plain, METH_VARARGS, NULL},
    {"sort_hashes", sort_hashes, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
