"""The specimen `words`: a small transformer that reads generated English of a small known world.

`world` holds the words, `people`, `grammar`, `knowledge` and `fillers` the documents, `mixture` and `packing` make rows of them,
`tokenizer` reads any text, `recipe` trains, `evaluate` and `card` measure what is shipped in `specimens/weights/`.
"""
