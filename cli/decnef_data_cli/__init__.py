"""The ``decnef`` command: parse, call one public function, print, exit."""
