/* Postings of a text index: which rows have a word, and how often, as arrays. */

#include "core.h"

/* `count` unsigned numbers of `width` bytes, one after the other, as 64 bits each. */
static void
widen(const char *data, int width, Py_ssize_t count, uint64_t *out)
{
    const unsigned char *bytes = (const unsigned char *)data;
    uint16_t two;
    uint32_t four;
    if (width == 1)
        for (Py_ssize_t i = 0; i < count; i++)
            out[i] = bytes[i];
    else if (width == 2)
        for (Py_ssize_t i = 0; i < count; i++) {
            memcpy(&two, data + 2 * i, 2);
            out[i] = two;
        }
    else if (width == 4)
        for (Py_ssize_t i = 0; i < count; i++) {
            memcpy(&four, data + 4 * i, 4);
            out[i] = four;
        }
    else
        memcpy(out, data, 8 * count);
}

/* Fill `rows` and `times` from the bytes after the kind; 0 if they are no postings. */
static int
fill(const char *data, int head, int wide, int times_wide, Py_ssize_t count, uint64_t *rows, uint64_t *times)
{
    widen(data, head, 1, rows);
    widen(data + head, wide, count - 1, rows + 1);
    int wrong = (int64_t)rows[0] < 0;
    for (Py_ssize_t i = 1; i < count; i++) {
        wrong |= (int64_t)rows[i] <= 0;
        rows[i] += rows[i - 1];
    }
    if (times_wide)
        widen(data + head + (count - 1) * wide, times_wide, count, times);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!times_wide)
            times[i] = 1;
        wrong |= (int64_t)times[i] <= 0;
    }
    return !wrong;
}

/* word_postings(data): see parcode_orm.session.entity.postings. */
static PyObject *
word_postings(PyObject *module, PyObject *given)
{
    Py_buffer view;
    if (PyObject_GetBuffer(given, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    const char *data = view.buf;
    int kind = view.len ? (unsigned char)data[0] : 0xFF, of_times = kind >> 4;
    int head = 1 << (kind & 3), wide = 1 << (kind >> 2 & 3), times_wide = of_times > 4 ? 0 : 1 << of_times >> 1;
    Py_ssize_t room = view.len - 1 - head + wide, each = wide + times_wide, count = room / each;
    PyObject *rows = NULL, *times = NULL, *found = NULL;
    if (of_times > 4 || room < each || count * each != room || count > PY_SSIZE_T_MAX / 8) {
        PyBuffer_Release(&view);
        Py_RETURN_NONE;
    }
    rows = PyBytes_FromStringAndSize(NULL, 8 * count);
    times = rows == NULL ? NULL : PyBytes_FromStringAndSize(NULL, 8 * count);
    if (times != NULL) {
        uint64_t *first = (uint64_t *)PyBytes_AS_STRING(rows), *second = (uint64_t *)PyBytes_AS_STRING(times);
        found = fill(data + 1, head, wide, times_wide, count, first, second) ? PyTuple_Pack(2, rows, times)
                                                                            : Py_NewRef(Py_None);
    }
    PyBuffer_Release(&view);
    Py_XDECREF(rows);
    Py_XDECREF(times);
    return found;
}

PyMethodDef postings_methods[] = {
    {"word_postings", word_postings, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
