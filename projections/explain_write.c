/* explain_write.c - JSON objects under construction (explain_parts.h)
 *
 * A buffer that is full stays full: whoever owns it sees that its size did not grow to the end. */
#include "projections/explain_parts.h"

#include "base/json.h"

static void name_write(struct dk_writer *writer, const char *name)
{
    if (writer->filled)
        (void)dk_buf_add(writer->out, ",", 1);
    writer->filled = true;
    if (name == NULL)
        return;
    (void)dk_json_text(writer->out, dk_text_of(name));
    (void)dk_buf_add(writer->out, ":", 1);
}

void dk_write_open(struct dk_writer *writer, const char *name, char bracket)
{
    name_write(writer, name);
    (void)dk_buf_add(writer->out, &bracket, 1);
    writer->filled = false;
}

void dk_write_close(struct dk_writer *writer, char bracket)
{
    (void)dk_buf_add(writer->out, &bracket, 1);
    writer->filled = true;
}

void dk_write_number(struct dk_writer *writer, const char *name, int64_t value)
{
    name_write(writer, name);
    (void)dk_json_integer(writer->out, value);
}

void dk_write_some(struct dk_writer *writer, const char *name, int64_t value)
{
    if (value != 0)
        dk_write_number(writer, name, value);
}

void dk_write_time(struct dk_writer *writer, const char *name, int64_t time)
{
    if (time != INT64_MAX)
        dk_write_some(writer, name, time);
}

void dk_write_text(struct dk_writer *writer, const char *name, struct dk_text text)
{
    name_write(writer, name);
    (void)dk_json_text(writer->out, text);
}

void dk_write_word(struct dk_writer *writer, const char *name, const char *word)
{
    dk_write_text(writer, name, dk_text_of(word));
}

void dk_write_bool(struct dk_writer *writer, const char *name, bool value)
{
    name_write(writer, name);
    (void)dk_buf_add_text(writer->out, value ? "true" : "false");
}

void dk_write_nodes(struct dk_writer *writer, const char *name, const struct dk_node_held *nodes,
                    uint32_t count)
{
    dk_write_open(writer, name, '[');
    for (uint32_t i = 0; i < count; i++) {
        dk_write_open(writer, NULL, '{');
        dk_write_text(writer, "name", nodes[i].name);
        dk_write_number(writer, "cores", nodes[i].cores);
        dk_write_close(writer, '}');
    }
    dk_write_close(writer, ']');
}
