"""Who answers questions: language models in this process, behind a server, or a plainly named fake. Knows no finance."""
