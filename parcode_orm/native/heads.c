/* Heads of chunks: header | references | directory of nodes. Nothing in them is trusted before it is checked. */

#include "core.h"

#include <structmember.h>

enum {
    ALIGN = 64, HEADER = 32, REFERENCE = 32, NODE = 80, SPAN = 4, /* bytes; where a node's span stands */
    MAX_NODES = 1 << 20, MAX_REFERENCES = 1 << 24, MAX_DEPTH = 4096,
    SLOTS = 12,
};
static const uint32_t MAGIC = 0x314B4843;

typedef struct {
    uint64_t offset, length, checksum, kind;
} Where;

typedef struct {
    const unsigned char *data;
    uint64_t fingerprint;
    size_t references, nodes, nodes_at, size;
} Head;

static inline uint32_t
read32(const unsigned char *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

/* Take a reference apart: 0 with an error if it is no tuple of four numbers. */
static int
parse_where(PyObject *reference, Where *where)
{
    uint64_t *numbers[] = {&where->offset, &where->length, &where->checksum, &where->kind};
    if (!PyTuple_Check(reference) || PyTuple_GET_SIZE(reference) != 4) {
        PyErr_SetString(PyExc_TypeError, "a reference has four numbers");
        return 0;
    }
    for (int i = 0; i < 4; i++) {
        PyObject *number = PyTuple_GET_ITEM(reference, i);
        *numbers[i] = PyLong_Check(number) ? PyLong_AsUnsignedLongLong(number) : (uint64_t)-1;
        if (!PyLong_Check(number))
            PyErr_SetString(PyExc_TypeError, "a reference has four numbers");
        if (PyErr_Occurred())
            return 0;
    }
    return 1;
}

/* Whether the head of the chunk at `where`, whose first `room` bytes are `data`, is whole and as it was written. */
static int
parse_head(const unsigned char *data, size_t room, const Where *where, Head *head)
{
    if (room < HEADER || read32(data) != MAGIC || data[4] != where->kind || read64(data + 16) != where->length)
        return 0;
    head->data = data;
    head->references = read32(data + 8);
    head->nodes = read32(data + 12);
    head->fingerprint = read64(data + 24);
    if (head->nodes < 1 || head->nodes > MAX_NODES || head->references > MAX_REFERENCES)
        return 0;
    head->nodes_at = HEADER + head->references * REFERENCE;
    head->size = head->nodes_at + head->nodes * NODE;
    if (head->size > room || head->size > where->length || checksum_of(data, head->size) != where->checksum)
        return 0;
    for (size_t i = 0; i < head->references; i++) { /* each lies before the chunk, so that no cycle can be written */
        const unsigned char *at = data + HEADER + i * REFERENCE;
        if (read64(at) > where->offset || read64(at + 8) > where->offset - read64(at))
            return 0;
    }
    return 1;
}

/* A tuple of the class `cls`, of `count` items that are not set yet. Only numbers and bytes will be in it: the cycle
   collector need not know it. */
static PyObject *
new_entry(PyTypeObject *cls, Py_ssize_t count)
{
    PyObject *found = cls->tp_alloc(cls, count);
    if (found != NULL && PyObject_GC_IsTracked(found))
        PyObject_GC_UnTrack(found);
    return found;
}

/* Put a new object into a tuple; 0 if there is none. */
static inline int
put(PyObject *entry, Py_ssize_t at, PyObject *item)
{
    PyTuple_SET_ITEM(entry, at, item);
    return item != NULL;
}

/* The references of a head, each of the class `cls`. */
static PyObject *
references_of(const Head *head, PyTypeObject *cls)
{
    PyObject *found = PyList_New((Py_ssize_t)head->references);
    for (size_t i = 0; found != NULL && i < head->references; i++) {
        const unsigned char *at = head->data + HEADER + i * REFERENCE;
        PyObject *entry = new_entry(cls, 4);
        int fine = entry != NULL;
        for (int j = 0; fine && j < 3; j++)
            fine = put(entry, j, PyLong_FromUnsignedLongLong(read64(at + 8 * j)));
        fine = fine && put(entry, 3, PyLong_FromUnsignedLongLong(read32(at + 24)));
        PyList_SET_ITEM(found, (Py_ssize_t)i, entry);
        if (!fine)
            Py_CLEAR(found);
    }
    return found;
}

/* Whether objects of `cls` are tuples that can be made here. */
static int
is_entry_class(PyObject *cls)
{
    return PyType_Check(cls) && PyType_IsSubtype((PyTypeObject *)cls, &PyTuple_Type)
           && ((PyTypeObject *)cls)->tp_itemsize == PyTuple_Type.tp_itemsize;
}

/* read_head(data, reference): see parcode_orm.format.heads. */
static PyObject *
read_head(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Where where;
    Head head;
    Py_buffer data;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "read_head takes bytes and a reference");
    if (!parse_where(args[1], &where) || PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *found = NULL, *references = NULL;
    if (!parse_head(data.buf, (size_t)data.len, &where, &head))
        found = Py_NewRef(Py_None);
    else if ((references = references_of(&head, Py_TYPE(args[1]))) != NULL)
        found = Py_BuildValue(
            "KnnN", (unsigned long long)head.fingerprint, (Py_ssize_t)head.nodes_at, (Py_ssize_t)head.nodes, references
        );
    PyBuffer_Release(&data);
    return found;
}

/* -- many chunks --------------------------------------------------------------------------------------------------------- */

/* Where slots of `cls` lie; 0 with an error if they are none of its own. */
static int
slot_places(PyTypeObject *cls, PyObject *slots, Py_ssize_t *places)
{
    for (Py_ssize_t i = 0; i < SLOTS; i++) {
        PyMemberDescrObject *slot = (PyMemberDescrObject *)PyTuple_GET_ITEM(slots, i);
        if (!Py_IS_TYPE((PyObject *)slot, &PyMemberDescr_Type) || slot->d_member->type != T_OBJECT_EX
            || !PyType_IsSubtype(cls, PyDescr_TYPE(slot))) {
            PyErr_SetString(PyExc_TypeError, "chunks_of takes slots of the class");
            return 0;
        }
        places[i] = slot->d_member->offset;
    }
    return 1;
}

/* The bytes `start` to `stop` of a memoryview. */
static PyObject *
stretch(PyObject *data, uint64_t start, uint64_t stop)
{
    PyObject *from = PyLong_FromUnsignedLongLong(start), *to = PyLong_FromUnsignedLongLong(stop);
    PyObject *place = from == NULL || to == NULL ? NULL : PySlice_New(from, to, NULL);
    PyObject *found = place == NULL ? NULL : PyObject_GetItem(data, place);
    Py_XDECREF(place);
    Py_XDECREF(from);
    Py_XDECREF(to);
    return found;
}

/* A chunk of the class `cls`; what its slots hold stands in their order. */
static PyObject *
new_chunk(
    PyTypeObject *cls, const Py_ssize_t *places, PyObject *nothing, PyObject *reference, const Where *where,
    const Head *head, PyObject *data, PyObject *path, PyObject *observe
)
{
    PyObject *chunk = PyBaseObject_Type.tp_new(cls, nothing, NULL);
    PyObject *bytes = chunk == NULL ? NULL : stretch(data, where->offset, where->offset + where->length);
    if (bytes == NULL) {
        Py_XDECREF(chunk);
        return NULL;
    }
    PyObject *values[SLOTS] = {
        PyTuple_Pack(2, path, PyTuple_GET_ITEM(reference, 0)),
        Py_NewRef(PyTuple_GET_ITEM(reference, 3)),
        PyLong_FromUnsignedLongLong(head->fingerprint),
        PyLong_FromSize_t(head->size),
        PyLong_FromLong(0),
        references_of(head, Py_TYPE(reference)),
        PyLong_FromSize_t(head->nodes),
        PyDict_New(),
        bytes,
        Py_NewRef(bytes),
        PyLong_FromSize_t(head->nodes_at),
        Py_NewRef(observe),
    };
    int failed = 0;
    for (int i = 0; i < SLOTS; i++) {
        PyObject **slot = (PyObject **)((char *)chunk + places[i]);
        failed |= values[i] == NULL;
        Py_XSETREF(*slot, values[i]);
    }
    if (failed)
        Py_CLEAR(chunk);
    return chunk;
}

/* chunks_of(cls, slots, references, data, path, observe): see parcode_orm.format.heads. */
static PyObject *
chunks_of(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 6 || !PyType_Check(args[0]) || !PyTuple_CheckExact(args[1]) || PyTuple_GET_SIZE(args[1]) != SLOTS
        || !PyList_CheckExact(args[2]) || !PyMemoryView_Check(args[3]))
        return PyErr_Format(PyExc_TypeError, "chunks_of takes a class, its slots, a list of references, and bytes");
    Py_ssize_t places[SLOTS];
    Py_buffer data;
    if (!slot_places((PyTypeObject *)args[0], args[1], places)
        || PyObject_GetBuffer(args[3], &data, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *nothing = PyTuple_New(0), *found = nothing == NULL ? NULL : PyList_New(PyList_GET_SIZE(args[2]));
    for (Py_ssize_t i = 0; found != NULL && i < PyList_GET_SIZE(found); i++) {
        Where where;
        Head head;
        PyObject *reference = list_item(args[2], i), *chunk = NULL;
        if (reference != NULL && parse_where(reference, &where)) {
            uint64_t size = (uint64_t)data.len;
            if (where.offset && where.offset % ALIGN == 0 && where.offset <= size && where.length <= size - where.offset
                && parse_head((unsigned char *)data.buf + where.offset, (size_t)where.length, &where, &head)
                && head.nodes <= MAX_DEPTH)
                chunk = new_chunk((PyTypeObject *)args[0], places, nothing, reference, &where, &head, args[3], args[4], args[5]);
            else
                chunk = Py_NewRef(Py_None);
        }
        Py_XDECREF(reference);
        PyList_SET_ITEM(found, i, chunk);
        if (chunk == NULL)
            Py_CLEAR(found);
    }
    Py_XDECREF(nothing);
    PyBuffer_Release(&data);
    return found;
}

/* -- nodes --------------------------------------------------------------------------------------------------------------- */

/* The entry of a node as a tuple of the class `cls`; `zeros` stands for statistics that are none. */
static PyObject *
node_entry(PyTypeObject *cls, const unsigned char *at, PyObject *zeros)
{
    PyObject *entry = new_entry(cls, 13);
    int fine = entry != NULL;
    for (int i = 0; fine && i < 4; i++)
        fine = put(entry, i, PyLong_FromLong(at[i]));
    for (int i = 0; fine && i < 3; i++)
        fine = put(entry, 4 + i, PyLong_FromUnsignedLongLong(read32(at + 4 + 4 * i)));
    for (int i = 0; fine && i < 4; i++)
        fine = put(entry, 7 + i, PyLong_FromUnsignedLongLong(read64(at + 16 + 8 * i)));
    for (int i = 0; fine && i < 2; i++) {
        const char *bytes = (const char *)at + 48 + 16 * i;
        int none = memcmp(bytes, PyBytes_AS_STRING(zeros), 16) == 0;
        fine = put(entry, 11 + i, none ? Py_NewRef(zeros) : PyBytes_FromStringAndSize(bytes, 16));
    }
    if (!fine)
        Py_CLEAR(entry);
    return entry;
}

/* nodes_of(cls, directory): see parcode_orm.format.heads. */
static PyObject *
nodes_of(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    static const char ZEROS[16];
    Py_buffer data;
    if (count != 2 || !is_entry_class(args[0]))
        return PyErr_Format(PyExc_TypeError, "nodes_of takes a class of tuples, and bytes");
    if (PyObject_GetBuffer(args[1], &data, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *zeros = PyBytes_FromStringAndSize(ZEROS, sizeof ZEROS), *found = NULL;
    if (data.len % NODE)
        PyErr_SetString(PyExc_ValueError, "a directory has entries of 80 bytes");
    else if (zeros != NULL)
        found = PyList_New(data.len / NODE);
    for (Py_ssize_t i = 0; found != NULL && i < data.len / NODE; i++) {
        PyObject *entry = node_entry((PyTypeObject *)args[0], (unsigned char *)data.buf + NODE * i, zeros);
        PyList_SET_ITEM(found, i, entry);
        if (entry == NULL)
            Py_CLEAR(found);
    }
    Py_XDECREF(zeros);
    PyBuffer_Release(&data);
    return found;
}

/* children_of(head, nodes_at, nodes, index): see parcode_orm.format.heads. */
static PyObject *
children_of(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer data;
    if (count != 4)
        return PyErr_Format(PyExc_TypeError, "children_of takes bytes and three numbers");
    Py_ssize_t numbers[3];
    for (int i = 0; i < 3; i++) {
        numbers[i] = PyLong_AsSsize_t(args[1 + i]);
        if (numbers[i] == -1 && PyErr_Occurred())
            return NULL;
    }
    Py_ssize_t at = numbers[0], nodes = numbers[1], index = numbers[2];
    if (PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *found = NULL;
    if (at < 0 || at > data.len || nodes < 0 || nodes > (data.len - at) / NODE || index < 0 || index >= nodes)
        PyErr_SetString(PyExc_IndexError, "there is no such node");
    else {
        const unsigned char *spans = (unsigned char *)data.buf + at + SPAN;
        Py_ssize_t end = index + (Py_ssize_t)read32(spans + NODE * index), child = index + 1;
        found = end > nodes ? Py_NewRef(Py_None) : PyList_New(0);
        while (found != NULL && found != Py_None && child < end) {
            Py_ssize_t span = (Py_ssize_t)read32(spans + NODE * child);
            PyObject *number = span && child + span <= end ? PyLong_FromSsize_t(child) : NULL;
            if (number == NULL && !PyErr_Occurred())
                Py_SETREF(found, Py_NewRef(Py_None));
            else if (number == NULL || PyList_Append(found, number) < 0)
                Py_CLEAR(found);
            Py_XDECREF(number);
            child += span;
        }
    }
    PyBuffer_Release(&data);
    return found;
}

PyMethodDef heads_methods[] = {
    {"read_head", (PyCFunction)(void (*)(void))read_head, METH_FASTCALL, NULL},
    {"chunks_of", (PyCFunction)(void (*)(void))chunks_of, METH_FASTCALL, NULL},
    {"nodes_of", (PyCFunction)(void (*)(void))nodes_of, METH_FASTCALL, NULL},
    {"children_of", (PyCFunction)(void (*)(void))children_of, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
