/* Lookup: from a hash to a row, and whether the row's key is the one sought. */

#include "core.h"

enum { NEAR = 64 }; /* entries of a shard: how far from its guessed place a hash is looked for first */

/* The first place from `first` on, before `end`, whose number is not below `low`; `end` where all are. */
static Py_ssize_t
bisect(const Typed *lows, uint64_t low, Py_ssize_t first, Py_ssize_t end)
{
    while (first < end) {
        Py_ssize_t middle = first + (end - first) / 2;
        if (unsigned_at(lows, middle) < low)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

/* Where a hash stands in a shard, or would. Hashes are spread evenly, so the place is near the one that is guessed. */
static Py_ssize_t
place_of(const Typed *lows, uint64_t low)
{
    Py_ssize_t count = lows->count, guess = (uint64_t)count >> 32 ? 0 : (Py_ssize_t)(low * (uint64_t)count >> 32);
    Py_ssize_t first = guess > NEAR ? guess - NEAR : 0;
    Py_ssize_t at = bisect(lows, low, first, guess + NEAR < count ? guess + NEAR : count);
    if (at == first || at == count || unsigned_at(lows, at) != low)
        at = bisect(lows, low, 0, count);
    return at;
}

/* find_row(hashed, low_shift, lows, rows, before): see parcode_orm.table.index. */
static PyObject *
find_row(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5)
        return PyErr_Format(PyExc_TypeError, "find_row takes 5 arguments");
    uint64_t hashed = PyLong_AsUnsignedLongLong(args[0]);
    long shift = PyErr_Occurred() ? 0 : PyLong_AsLong(args[1]);
    Py_ssize_t before = PyErr_Occurred() ? 0 : PyLong_AsSsize_t(args[4]);
    if (PyErr_Occurred())
        return NULL;
    if (shift < 0 || shift > 32 || before < 0)
        return PyErr_Format(PyExc_ValueError, "a hash is shifted by up to 32 bits");
    Typed lows, rows;
    if (!open_typed(args[2], &lows))
        return NULL;
    if (!open_typed(args[3], &rows)) {
        PyBuffer_Release(&lows.view);
        return NULL;
    }
    uint64_t low = hashed >> shift & 0xFFFFFFFF, row = 0;
    Py_ssize_t at = place_of(&lows, low);
    int found = before < lows.count - at && unsigned_at(&lows, at + before) == low && at + before < rows.count;
    if (found)
        row = unsigned_at(&rows, at + before);
    PyBuffer_Release(&rows.view);
    PyBuffer_Release(&lows.view);
    return found ? PyLong_FromUnsignedLongLong(row) : PyLong_FromLong(-1);
}

/* is_text(data, texts, offsets, gap, row): see parcode_orm.table.index. */
static PyObject *
is_text(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5 || !PyBytes_Check(args[0]))
        return PyErr_Format(PyExc_TypeError, "is_text takes bytes and 4 other arguments");
    Py_ssize_t gap = PyLong_AsSsize_t(args[3]), row = PyErr_Occurred() ? 0 : PyLong_AsSsize_t(args[4]);
    if (PyErr_Occurred())
        return NULL;
    Typed texts, offsets;
    if (!open_typed(args[1], &texts))
        return NULL;
    if (!open_typed(args[2], &offsets)) {
        PyBuffer_Release(&texts.view);
        return NULL;
    }
    int same = 0;
    if (row >= 0 && row < offsets.count - 1) {
        uint64_t start = unsigned_at(&offsets, row), stop = unsigned_at(&offsets, row + 1), skip = gap ? row : 0;
        uint64_t size = PyBytes_GET_SIZE(args[0]), room = texts.view.len;
        same = start <= stop && stop - start == size;
        if (same && size)
            same = skip <= room && stop <= room - skip &&
                   memcmp(texts.data + start + skip, PyBytes_AS_STRING(args[0]), size) == 0;
    }
    PyBuffer_Release(&offsets.view);
    PyBuffer_Release(&texts.view);
    return PyBool_FromLong(same);
}

PyMethodDef lookup_methods[] = {
    {"find_row", (PyCFunction)(void (*)(void))find_row, METH_FASTCALL, NULL},
    {"is_text", (PyCFunction)(void (*)(void))is_text, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
