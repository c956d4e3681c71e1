/* Chunks: a small one as it lies in the file, put together in one pass. */

#include "core.h"

enum { HEADER = 32, REFERENCE = 32, NODE = 80, PARTS = 8, NARROW = 8, WIDE = 64, WIDE_FROM = 4096, EDGE = 16 };

/* The bytes of the fields of a reference and of a node: offset, length, checksum, kind; encoding, width, flags, span,
   count, param. Behind a kind lie four bytes of zeros; the method of compression, before the width, is zero. */
static const int REFERENCE_SIZES[] = {8, 8, 8, 4}, NODE_SIZES[] = {1, 1, 1, 4, 4, 4};
static const int NODE_PLACES[] = {0, 2, 3, 4, 8, 12};

/* Write an int of `size` bytes: 1; 0 if it is none, or does not fit. */
static int
put_number(char *out, PyObject *number, int size)
{
    if (!PyLong_Check(number))
        return 0;
    unsigned long long value = PyLong_AsUnsignedLongLong(number);
    if (value == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    if (size < 8 && value >> 8 * size)
        return 0;
    memcpy(out, &value, size);
    return 1;
}

/* Write the first EDGE bytes of the exact bytes `edge`: 1; 0 if it is something else. */
static int
put_edge(char *out, PyObject *edge)
{
    if (!PyBytes_CheckExact(edge))
        return 0;
    Py_ssize_t size = PyBytes_GET_SIZE(edge);
    memcpy(out, PyBytes_AS_STRING(edge), size < EDGE ? size : EDGE);
    return 1;
}

/* XXH3-64 of `data`, which `digest` computes where it is long: 1; -1 on an error. */
static int
digest_of(PyObject *digest, const char *data, Py_ssize_t size, uint64_t *hash)
{
    if (size <= SHORT) {
        *hash = short_hash((const unsigned char *)data, (size_t)size, 0);
        return 1;
    }
    PyObject *view = PyMemoryView_FromMemory((char *)data, size, PyBUF_READ);
    PyObject *number = view == NULL ? NULL : PyObject_CallOneArg(digest, view);
    Py_XDECREF(view);
    if (number == NULL)
        return -1;
    *hash = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    return PyErr_Occurred() ? -1 : 1;
}

static Py_ssize_t
gap_of(Py_ssize_t end, Py_ssize_t size)
{
    Py_ssize_t align = size >= WIDE_FROM ? WIDE : NARROW;
    return (align - end % align) % align;
}

/* The bytes of a chunk with these lists; 0 if it is of `limit` bytes or more, or its lists are not as they should be. */
static Py_ssize_t
size_of(PyObject *entries, PyObject *buffers, PyObject *refs, Py_ssize_t limit)
{
    Py_ssize_t count = PyList_GET_SIZE(entries), end;
    if (count == 0 || count != PyList_GET_SIZE(buffers) || count > limit / NODE || PyList_GET_SIZE(refs) > limit / REFERENCE)
        return 0;
    end = HEADER + PyList_GET_SIZE(refs) * REFERENCE + count * NODE;
    for (Py_ssize_t i = 0; i < count && end < limit; i++) {
        PyObject *entry = PyList_GET_ITEM(entries, i), *data = PyList_GET_ITEM(buffers, i);
        if (!PyList_CheckExact(entry) || PyList_GET_SIZE(entry) != PARTS || !PyBytes_CheckExact(data))
            return 0;
        Py_ssize_t size = PyBytes_GET_SIZE(data);
        if (size >= limit)
            return 0;
        end += size ? gap_of(end, size) + size : 0;
    }
    return end < limit ? end : 0;
}

/* Write all but the header: 1; 0 if a number or an edge is not as it should be, -1 on an error. */
static int
put_chunk(char *out, PyObject *entries, PyObject *buffers, PyObject *refs, PyObject *digest)
{
    char *place = out + HEADER;
    Py_ssize_t count = PyList_GET_SIZE(entries), end = HEADER + PyList_GET_SIZE(refs) * REFERENCE + count * NODE;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(refs); i++, place += REFERENCE) {
        PyObject *ref = PyList_GET_ITEM(refs, i);
        if (!PyTuple_Check(ref) || PyTuple_GET_SIZE(ref) != 4)
            return 0;
        for (int part = 0; part < 4; part++)
            if (!put_number(place + 8 * part, PyTuple_GET_ITEM(ref, part), REFERENCE_SIZES[part]))
                return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++, place += NODE) {
        PyObject *entry = PyList_GET_ITEM(entries, i), *data = PyList_GET_ITEM(buffers, i);
        if (PyList_GET_SIZE(entry) != PARTS) /* `digest` is any code */
            return 0;
        for (int part = 0; part < 6; part++)
            if (!put_number(place + NODE_PLACES[part], PyList_GET_ITEM(entry, part), NODE_SIZES[part]))
                return 0;
        if (!put_edge(place + 48, PyList_GET_ITEM(entry, 6)) || !put_edge(place + 64, PyList_GET_ITEM(entry, 7)))
            return 0;
        uint64_t size = (uint64_t)PyBytes_GET_SIZE(data), hash = 0;
        if (size) {
            end += gap_of(end, (Py_ssize_t)size);
            uint64_t at = (uint64_t)end;
            memcpy(out + end, PyBytes_AS_STRING(data), size);
            if (digest_of(digest, out + end, (Py_ssize_t)size, &hash) < 0)
                return -1;
            end += (Py_ssize_t)size;
            memcpy(place + 16, &at, 8);
            memcpy(place + 24, &size, 8);
            memcpy(place + 32, &size, 8);
            memcpy(place + 40, &hash, 8);
        }
    }
    return 1;
}

static PyObject *
chunk_of(PyObject *start, PyObject *entries, PyObject *buffers, PyObject *refs, PyObject *digest,
                   Py_ssize_t limit)
{
    Py_ssize_t size = size_of(entries, buffers, refs, limit);
    if (size == 0)
        Py_RETURN_NONE;
    uint32_t counts[] = {(uint32_t)PyList_GET_SIZE(refs), (uint32_t)PyList_GET_SIZE(entries)};
    Py_ssize_t head = HEADER + (Py_ssize_t)counts[0] * REFERENCE + (Py_ssize_t)counts[1] * NODE;
    uint64_t length = (uint64_t)size, hash = 0;
    PyObject *found = PyBytes_FromStringAndSize(NULL, size);
    if (found == NULL)
        return NULL;
    char *out = PyBytes_AS_STRING(found);
    memset(out, 0, size);
    memcpy(out, PyBytes_AS_STRING(start), HEADER);
    memcpy(out + 8, counts, sizeof counts);
    memcpy(out + 16, &length, 8);
    int fine = put_chunk(out, entries, buffers, refs, digest);
    if (fine > 0)
        fine = digest_of(digest, out, head, &hash);
    PyObject *result = NULL;
    if (fine > 0)
        result = Py_BuildValue("(OK)", found, (unsigned long long)hash);
    else if (fine == 0)
        result = Py_NewRef(Py_None);
    Py_DECREF(found);
    return result;
}

/* small_chunk(header, entries, buffers, refs, digest, limit): see parcode_orm.format.encoder. */
static PyObject *
small_chunk(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 6 || !PyBytes_CheckExact(args[0]) || PyBytes_GET_SIZE(args[0]) != HEADER ||
        !PyList_CheckExact(args[1]) || !PyList_CheckExact(args[2]) || !PyList_CheckExact(args[3]))
        return PyErr_Format(PyExc_TypeError, "small_chunk takes a header, three lists, a function and a limit");
    Py_ssize_t limit = PyLong_AsSsize_t(args[5]);
    if (limit == -1 && PyErr_Occurred())
        return NULL;
    PyObject *copies[3] = {NULL, NULL, NULL}, *result = NULL;
    int fine = 1; /* the lists are this function's own: `digest` is any code */
    for (int i = 0; i < 3 && fine; i++)
        fine = (copies[i] = PyList_GetSlice(args[i + 1], 0, PY_SSIZE_T_MAX)) != NULL;
    if (fine)
        result = chunk_of(args[0], copies[0], copies[1], copies[2], args[4], limit);
    for (int i = 0; i < 3; i++)
        Py_XDECREF(copies[i]);
    return result;
}

/* references_of(refs, ticket, first, older): see parcode_orm.format.encoder. */
static PyObject *
references_of(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyList_CheckExact(args[0]) || !PyType_Check(args[1]) || !PySet_CheckExact(args[3]))
        return PyErr_Format(PyExc_TypeError, "references_of takes a list, a class, an offset and a set");
    PyObject *name = PyUnicode_InternFromString("reference"), *found = PyList_GetSlice(args[0], 0, PY_SSIZE_T_MAX);
    int fine = name != NULL && found != NULL, missing = 0;
    for (Py_ssize_t i = 0; fine && i < PyList_GET_SIZE(found); i++) { /* `found` is this function's own */
        PyObject *ref = PyList_GET_ITEM(found, i);
        if ((PyObject *)Py_TYPE(ref) == args[1]) {
            PyObject *placed = PyObject_GetAttr(ref, name);
            fine = placed != NULL;
            if (fine) {
                PyList_SET_ITEM(found, i, placed);
                Py_DECREF(ref);
                ref = placed;
            }
        }
        missing |= fine && ref == Py_None;
    }
    for (Py_ssize_t i = 0; fine && !missing && i < PyList_GET_SIZE(found); i++) {
        PyObject *ref = PyList_GET_ITEM(found, i);
        if (!PyTuple_Check(ref) || PyTuple_GET_SIZE(ref) == 0) {
            PyErr_SetString(PyExc_TypeError, "a reference is a tuple of numbers");
            fine = 0;
        }
        int below = fine ? PyObject_RichCompareBool(PyTuple_GET_ITEM(ref, 0), args[2], Py_LT) : 0;
        fine = fine && below >= 0 && (below == 0 || PySet_Add(args[3], PyTuple_GET_ITEM(ref, 0)) == 0);
    }
    Py_XDECREF(name);
    if (fine && !missing)
        return found;
    Py_XDECREF(found);
    return fine ? Py_NewRef(Py_None) : NULL;
}

PyMethodDef chunks_methods[] = {
    {"references_of", (PyCFunction)(void (*)(void))references_of, METH_FASTCALL, NULL},
    {"small_chunk", (PyCFunction)(void (*)(void))small_chunk, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
