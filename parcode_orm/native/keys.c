/* Keys: canonical hashes of a column, and the order of hashes. */

#include "core.h"

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
