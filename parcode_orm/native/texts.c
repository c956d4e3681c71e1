/* Text: lists of strings to UTF-8 with offsets, and looks at how their values repeat. */

#include "core.h"

Py_ssize_t
utf8_size(PyObject *text, int *surrogates)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(text), size = 0;
    if (PyUnicode_IS_ASCII(text))
        return length;
    int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    for (Py_ssize_t i = 0; i < length; i++) {
        Py_UCS4 point = PyUnicode_READ(kind, data, i);
        size += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        *surrogates |= Py_UNICODE_IS_SURROGATE(point);
    }
    return size;
}

char *
put_utf8(PyObject *text, char *out)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    if (PyUnicode_IS_ASCII(text)) {
        memcpy(out, PyUnicode_DATA(text), length);
        return out + length;
    }
    int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    for (Py_ssize_t i = 0; i < length; i++) {
        Py_UCS4 point = PyUnicode_READ(kind, data, i);
        if (point < 0x80)
            *out++ = (char)point;
        else if (point < 0x800) {
            *out++ = (char)(0xC0 | point >> 6);
            *out++ = (char)(0x80 | (point & 0x3F));
        }
        else if (point < 0x10000) {
            *out++ = (char)(0xE0 | point >> 12);
            *out++ = (char)(0x80 | (point >> 6 & 0x3F));
            *out++ = (char)(0x80 | (point & 0x3F));
        }
        else {
            *out++ = (char)(0xF0 | point >> 18);
            *out++ = (char)(0x80 | (point >> 12 & 0x3F));
            *out++ = (char)(0x80 | (point >> 6 & 0x3F));
            *out++ = (char)(0x80 | (point & 0x3F));
        }
    }
    return out;
}

/* Fill `offsets` with the places where the UTF-8 of each string begins, and the end: 1; 0 if one is not exactly str. */
static int
measure(PyObject *values, uint64_t *offsets, int *surrogates)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    PyObject **items = PySequence_Fast_ITEMS(values);
    offsets[0] = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (i + 16 < count)
            PREFETCH(items[i + 16]);
        if (!is_plain_text(items[i]))
            return 0;
        offsets[i + 1] = offsets[i] + (uint64_t)utf8_size(items[i], surrogates);
    }
    return 1;
}

/* All strings in UTF-8, `size` bytes, with a NUL after each (`gap` 1), or without (0). */
static PyObject *
joined(PyObject *values, uint64_t size, int gap)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    PyObject **items = PySequence_Fast_ITEMS(values);
    if (size > (uint64_t)(PY_SSIZE_T_MAX - count))
        return PyErr_NoMemory();
    PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size + gap * count);
    if (data == NULL)
        return NULL;
    char *out = PyBytes_AS_STRING(data);
    for (Py_ssize_t i = 0; i < count; i++) {
        out = put_utf8(items[i], out);
        if (gap)
            *out++ = 0;
    }
    return data;
}

/* How many bytes of an object are zero. */
static Py_ssize_t
zeros(PyObject *data)
{
    const char *at = PyBytes_AS_STRING(data), *end = at + PyBytes_GET_SIZE(data);
    Py_ssize_t found = 0;
    for (; at < end; at++)
        found += *at == 0;
    return found;
}

/* Exact strings as UTF-8: (buffer, offsets, their width, whether a NUL follows each, whether surrogates).
   None if one is not exactly a str, or there is none. */
static PyObject *
pack_text_locked(PyObject *values)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    if (!count)
        Py_RETURN_NONE;
    uint64_t *offsets = PyMem_New(uint64_t, count + 1);
    if (offsets == NULL)
        return PyErr_NoMemory();
    int surrogates = 0, width = 0, separated = 1;
    if (!measure(values, offsets, &surrogates)) {
        PyMem_Free(offsets);
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    uint64_t size = offsets[count];
    PyObject *packed = packed_offsets(offsets, count + 1, &width);
    PyMem_Free(offsets);
    PyObject *data = packed == NULL ? NULL : joined(values, size, 1);
    if (data != NULL && zeros(data) != count) {
        separated = 0;
        Py_SETREF(data, joined(values, size, 0));
    }
    if (data == NULL) {
        Py_XDECREF(packed);
        return NULL;
    }
    return Py_BuildValue("(NNiOO)", data, packed, width, separated ? Py_True : Py_False,
                         surrogates ? Py_True : Py_False);
}

SEQUENCE_METHOD(pack_text)

enum { SAMPLE = 512, SLOTS = 1024, FEW = 16 };

/* How many of up to SAMPLE strings, every `step`th of `items`, differ; -1 if one is not exactly a str, or on an error. */
static int
differing(PyObject **items, Py_ssize_t count, Py_ssize_t step)
{
    PyObject *slots[SLOTS] = {NULL};
    int found = 0;
    for (Py_ssize_t i = 0; i < count; i += step) {
        PyObject *text = items[i];
        if (!is_plain_text(text))
            return -1;
        Py_hash_t hash = PyObject_Hash(text);
        if (hash == -1)
            return -1;
        size_t slot = (size_t)hash % SLOTS;
        while (slots[slot] != NULL && slots[slot] != text && PyUnicode_Compare(slots[slot], text) != 0)
            slot = (slot + 1) % SLOTS;
        found += slots[slot] == NULL;
        slots[slot] = text;
    }
    return found;
}

/* Whether texts are neither one again and again nor, by a sample, of few kinds. False for values of other types. */
static PyObject *
is_varied_locked(PyObject *values)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values), step = count / SAMPLE + 1;
    if (!count)
        Py_RETURN_FALSE;
    int found = differing(PySequence_Fast_ITEMS(values), count, step);
    if (found < 0 && PyErr_Occurred())
        return NULL;
    if (count >= FEW)
        return PyBool_FromLong((Py_ssize_t)found * 2 > (count + step - 1) / step);
    PyObject *first = PySequence_Fast_GET_ITEM(values, 0), *last = PySequence_Fast_GET_ITEM(values, count - 1);
    return PyBool_FromLong(found > 0 && PyUnicode_Compare(first, last) != 0);
}

SEQUENCE_METHOD(is_varied)

PyMethodDef texts_methods[] = {
    {"is_varied", is_varied, METH_O, NULL},
    {"pack_text", pack_text, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
